/* ring_writer.h - appending to a ring.  Used by exactly one job for one ring; single-threaded
 * unless the caller locks.  Nothing blocks, allocates (but open) or logs. */
#ifndef AMPS_RING_WRITER_H
#define AMPS_RING_WRITER_H

#include "common/shm/ring.h"

struct ring_writer {
	struct ring_header *header;
	struct ring_rap *raps;
	uint8_t *data; /* mapped twice in a row */
	uint64_t data_bytes;
	uint64_t present; /* so much of the mapping's data has its pages */
	uint64_t commit;  /* own copy; the page is read once, in open */
	uint64_t intent;
	uint64_t rap_count;
	uint64_t last_rap_us;
};

/* Maps a ring for writing (before the master seals it).  Goes on behind what the master has put
 * into it before hand-over.  0 or -Exxx. */
must_check int ring_writer_open(struct ring_writer *w, int fd, uint64_t data_bytes);
void ring_writer_close(struct ring_writer *w); /* accepts a zeroed struct */

/* The next byte is that of position `pos`, at or behind the last commit.  Nothing is between. */
void ring_writer_begin(struct ring_writer *w, uint64_t pos);

/* Announces that up to n (<= RING_WRITE_MAX) bytes behind the last commit are about to change and
 * returns where they go (contiguous).  A later reserve may replace an earlier one. */
uint8_t *ring_writer_reserve(struct ring_writer *w, size_t n);

/* Publishes the first n reserved bytes. */
void ring_writer_commit(struct ring_writer *w, size_t n);

/* reserve + copy + commit; any n: whole units stay whole for readers. */
void ring_writer_append(struct ring_writer *w, const void *bytes, size_t n);

/* Changes four bytes of a unit that was published, whose place is `pos` (a multiple of 4).  Readers
 * that have copied the unit keep what it was, and are told nothing. */
void ring_writer_amend(struct ring_writer *w, uint64_t pos, uint32_t value);

/* Adds a random access point (rap->pos <= commit, mark and intro filled in; mono_us is set here).
 * Points closer than RING_RAP_SPACING_US to the last one are left out, except the first. */
void ring_writer_add_rap(struct ring_writer *w, struct ring_rap *rap);

/* Facts of the header; all cheap. */
void ring_writer_heartbeat(struct ring_writer *w, uint64_t now_us);
void ring_writer_frontier(struct ring_writer *w, int64_t pts_end_90k);
void ring_writer_pcr(struct ring_writer *w, int64_t pcr_90k);
void ring_writer_first_pcr(struct ring_writer *w, int64_t pcr_90k);
void ring_writer_stats(struct ring_writer *w, uint64_t bytes_in, uint64_t bitrate_in,
		       uint64_t errors_in);
void ring_writer_clock(struct ring_writer *w, uint64_t jumps_in, uint64_t pcr_interval_us,
		       uint64_t pcr_jitter_us);
void ring_writer_pair(struct ring_writer *w, const uint64_t counts[RING_PAIR_COUNT_]);
void ring_writer_ended(struct ring_writer *w);

#endif
