/* chantab_layout.h - the map of the channel table: what is running, published by the master.
 *
 *	offset 0    struct chantab_header
 *	4096        struct tuner_slot[TUNERS_MAX]
 *	...         struct output_slot[OUTPUTS_MAX]
 *	...         struct event_slot[EVENTS_KEPT], event number n in slot n % EVENTS_KEPT
 *
 * Fixed slots, each with a sequence counter: odd while the master writes.  A reader copies the slot
 * between two equal even reads (bounded retries, then keeps its last copy).  Both sides copy word
 *by word (words.h).  All fields W: master.  Readers: workers.  Nothing in it is secret. */
#ifndef AMPS_CHANTAB_LAYOUT_H
#define AMPS_CHANTAB_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include "common/limits.h"

#define CHANTAB_MAGIC	0x4241544e41484341ull /* "ACHANTAB" */
#define CHANTAB_VERSION 11u

enum tuner_state {
	TUNER_IDLE = 0, /* the slot is free */
	TUNER_STARTING,
	TUNER_RUNNING,
	TUNER_STALLED,
	TUNER_RESTARTING, /* waits for its back-off, viewers stay */
	TUNER_ENDED,	  /* a finite source that ended; the next request starts it again */
	TUNER_FAILED,	  /* never produced media; last_error says why */
	TUNER_STATE_COUNT_
};

/* The server is ready when all workers are up and the database can be written; else why not. */
enum readiness {
	READINESS_STARTING = 0,
	READINESS_READY,
	READINESS_DATABASE_LOCKED, /* by another process */
	READINESS_DATABASE_GONE,   /* its file was moved or deleted */
	READINESS_DATABASE_FAILED,
	READINESS_COUNT_
};

struct chantab_header {
	uint64_t magic;
	uint32_t version;
	uint32_t tuner_count;  /* TUNERS_MAX */
	uint32_t output_count; /* OUTPUTS_MAX */
	uint32_t tuner_bytes;  /* sizeof(struct tuner_slot) */
	uint32_t output_bytes;
	uint32_t pad;
	/* W: master, relaxed: facts for /metrics */
	_Atomic uint64_t start_mono_us;
	_Atomic uint64_t tuners_running; /* tuners that have a job */
	_Atomic uint64_t jobs_started;
	_Atomic uint64_t jobs_failed;
	_Atomic uint64_t overlap_running; /* tuners made by overlap=true */
	_Atomic uint64_t overlap_refused; /* such requests over a limit */
	_Atomic uint64_t worker_restarts;
	_Atomic uint64_t ready;					  /* enum readiness */
	_Atomic uint64_t hooks_sent, hooks_failed, hooks_dropped; /* events */
	/* W: master: number of the last event, release, behind its slot; 0 = none yet.  They begin
	 * above those of an earlier run of the server. */
	_Atomic uint64_t last_event;
};

enum event_kind { EVENT_CHANNEL, EVENT_TUNER, EVENT_VIEWER, EVENT_WARNING, EVENT_KIND_COUNT_ };

#define EVENT_NO_CHANNEL UINT32_MAX

/* Something that has happened, for /api/events. */
struct event_slot {
	_Atomic uint32_t sequence;
	uint32_t kind; /* enum event_kind */
	uint64_t number;
	uint32_t channel; /* or EVENT_NO_CHANNEL */
	/* which a channel has left, or in which it was; "" = none, or too long for a token */
	char old_group[EVENT_GROUP_BYTES];
	char text[EVENT_TEXT_MAX]; /* a JSON object */
};

struct tuner_slot {
	_Atomic uint32_t sequence; /* odd while written; release / acquire */
	uint32_t state;		   /* enum tuner_state */
	uint32_t channel;
	int32_t pid;	    /* of ingest, 0 = none */
	int32_t derive_pid; /* 0 = none */
	uint32_t restarts;
	int64_t started_wall_us;
	uint64_t wants; /* workers that want one of its outputs */
	uint64_t bitrate_in, bitrate_out;
	uint64_t frames_dropped, encoder_permil; /* of its derive jobs; 0 = there is none */
	uint64_t cc_errors, jumps;		 /* of its sources */
	uint64_t lost[5];			 /* jobs, by enum lost_cause */
	uint64_t pair[4]; /* packets of pairs of RTP legs, by enum ring_pair */
	uint64_t switches;
	uint64_t start_ms; /* from the start of the source to its first media */
	uint64_t pcr_interval_ms, pcr_jitter_ms;
	uint32_t source; /* which of its sources, from 1 */
	uint32_t pad;
	char key[TUNER_KEY_MAX];
	char last_error[ERROR_TEXT_MAX - 216];
};

struct output_slot {
	_Atomic uint32_t sequence;
	uint32_t state; /* enum tuner_state of what fills it */
	uint32_t tuner; /* slot of its tuner */
	uint32_t form;	/* enum output_form */
	uint64_t generation;
	char variant[VARIANT_NAME_MAX + 8]; /* "" = the channel's own profile */
	char track[TRACK_NAME_MAX + 1];
};

#define CHANTAB_TUNERS_OFFSET  4096u
#define CHANTAB_OUTPUTS_OFFSET (CHANTAB_TUNERS_OFFSET + TUNERS_MAX * sizeof(struct tuner_slot))
#define CHANTAB_EVENTS_OFFSET  (CHANTAB_OUTPUTS_OFFSET + OUTPUTS_MAX * sizeof(struct output_slot))
#define CHANTAB_BYTES	       (CHANTAB_EVENTS_OFFSET + EVENTS_KEPT * sizeof(struct event_slot))

static_assert(sizeof(struct chantab_header) == 128, "layout of struct chantab_header");
static_assert(sizeof(struct tuner_slot) == 592, "layout of struct tuner_slot");
static_assert(sizeof(struct output_slot) == 112, "layout of struct output_slot");
static_assert(sizeof(struct event_slot) == 576, "layout of struct event_slot");
static_assert(CHANTAB_EVENTS_OFFSET % 8 == 0, "the events are aligned");

#endif
