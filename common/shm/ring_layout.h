/* ring_layout.h - the map of a ring: one memfd, one writer (a job), any number of readers.
 *
 *	offset 0                  struct ring_header       one page, three groups of cache lines
 *	RING_INDEX_OFFSET         struct ring_rap[128]     random access index, slot = number % 128,
 *	                                                   one page each
 *	RING_DATA_OFFSET          data_bytes bytes         power of two; position % data_bytes
 *
 * Positions are 64-bit byte counts since the ring was created and never wrap.  Each position that
 *is published is a multiple of the ring's unit: a packet of 188 bytes in MPEG-TS, a single byte in
 * forms without packets.  The master sends the unit with the ring (form.h).  Readers and the writer
 * map the data twice in a row, so that a run of up to data_bytes bytes is always contiguous in
 * memory.
 *
 * The rule (its proof is docs/shared-memory.md):
 *	writer:  intent = commit + n   (relaxed)
 *	         fence(release); the bytes; commit = intent (release)
 *	reader:  c = commit (acquire); require 0 < c - pos <= data_bytes
 *	         copy or send; fence(acquire); i = intent (relaxed)
 *	         what was read is good iff i - pos <= data_bytes, else the reader was lapped
 * The index follows the same rule with rap_intent/rap_commit in units of slots.  A writer killed at
 * any instant leaves bytes above commit that are never read: nothing needs repair.
 *
 * What a job wrote is untrusted: a reader takes sizes from the master, reads each field once into a
 * local and checks its bounds.  `W:` names the single writer of a field; "before hand-over" fields
 * are written by the master before any other process maps the ring. */
#ifndef AMPS_RING_LAYOUT_H
#define AMPS_RING_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include "common/limits.h"

#define RING_MAGIC   0x53504d41474e4952ull /* "RINGAMPS" */
#define RING_VERSION 6u

/* What is counted of a pair of RTP legs: packets that did not come on a leg in time, that came on
 * one leg only, and that came on neither. */
enum ring_pair {
	RING_PAIR_LOST_1,
	RING_PAIR_LOST_2,
	RING_PAIR_FILLED,
	RING_PAIR_MISSING,
	RING_PAIR_COUNT_
};

struct ring_header {
	/* W: master, before hand-over; readers only check the version */
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes; /* sizeof(struct ring_header) */
	uint64_t data_bytes;
	uint64_t generation; /* of the output this ring belongs to, from 1 */
	uint8_t pad0[32];

	/* W: job.  The counters of the data; readers: workers, derive job, master */
	_Alignas(64) _Atomic uint64_t intent; /* relaxed; published by the release of commit */
	_Atomic uint64_t commit;	      /* release / acquire */
	_Atomic uint64_t rap_intent;	      /* slots ever begun */
	_Atomic uint64_t rap_commit;	      /* slots ever finished; release / acquire */

	/* W: job.  Relaxed; each field stands alone */
	_Alignas(64) _Atomic uint64_t heartbeat_us; /* clock_mono_us(), by the job's timer */
	_Atomic int64_t frontier_90k; /* largest pts + duration written, TIME_NONE before */
	_Atomic int64_t first_90k;    /* smallest pts of the generation's start */
	_Atomic int64_t epoch_90k;    /* add to a pts to get ticks since the master's epoch */
	_Atomic uint64_t bytes_in;    /* bytes read from the source */
	_Atomic uint64_t bitrate_in;  /* bits a second over the last seconds */
	_Atomic uint64_t errors_in;   /* continuity and sync errors in the source */
	_Atomic uint64_t ended;	      /* 1: no byte will follow; release / acquire */

	/* W: job.  Relaxed.  Of a source that is a transport stream */
	_Alignas(64) _Atomic uint64_t jumps_in; /* of its clock */
	_Atomic uint64_t pcr_interval_us;	/* longest in the last seconds */
	_Atomic uint64_t pcr_jitter_us;		/* largest in the last seconds */
	_Atomic int64_t clock_90k;	 /* last PCR written, unwrapped; TIME_NONE: there is none */
	_Atomic int64_t first_clock_90k; /* that of the generation's first access point */

	/* W: job.  Relaxed.  Of a pair of RTP legs */
	_Alignas(64) _Atomic uint64_t pair[RING_PAIR_COUNT_]; /* by enum ring_pair */
};

/* A random access point: a reader that sends the intro, then the ring from `pos`, plays from there
 * on.  The intro depends on the form, and the reader does not interpret it: tables of a transport
 * stream, the init segment of fragments, or nothing.  A reader that was elsewhere in this output
 * before sends the mark first, which announces the gap.  W: job; plain fields under the
 * rap_intent/rap_commit rule. */
struct ring_rap {
	uint64_t pos;	  /* of the unit in which the access unit starts */
	int64_t pts_90k;  /* unwrapped, as in the ring's bytes; TIME_NONE if unknown */
	uint64_t mono_us; /* clock_mono_us() when it was written */
	uint16_t mark_bytes, intro_bytes; /* in `bytes`, in this order */
	uint32_t pad;
	uint8_t bytes[RING_INTRO_MAX]; /* the rest is undefined */
};

#define RING_INDEX_OFFSET 4096u
#define RING_INDEX_BYTES  (RING_RAPS * sizeof(struct ring_rap))
#define RING_DATA_OFFSET                                                                           \
	((uint64_t)((RING_INDEX_OFFSET + RING_INDEX_BYTES + 4095u) / 4096u * 4096u))

static_assert(sizeof(struct ring_header) == 320, "layout of struct ring_header");
static_assert(sizeof(struct ring_rap) == 4096, "layout of struct ring_rap");
static_assert((RING_RAPS & (RING_RAPS - 1)) == 0, "slot = number & (RING_RAPS - 1)");

#endif
