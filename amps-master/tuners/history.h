/* history.h - what was counted of a tuner: in all, and in the last hour by minute and source.
 * Bounded: a tuner that changes its source very often has a shorter hour.  Pure. */
#ifndef AMPS_HISTORY_H
#define AMPS_HISTORY_H

#include <limits.h>

#include "common/base.h"
#include "common/shm/ring_layout.h"

/* Why a job was lost. */
enum lost_cause {
	LOST_CRASHED, /* its process died, or was killed for not working */
	LOST_FAILED,  /* it could not go on: the source ended, refused, or cannot be played */
	LOST_SILENT,  /* the source brought nothing in time */
	LOST_SLOW,    /* the source brought less than real time, and there was another one */
	LOST_CONTENT, /* the source showed nothing (`watch: content`), and there was another one */
	LOST_CAUSE_COUNT_
};

struct history_counts {
	uint64_t packets;		 /* of the source's transport stream */
	uint64_t cc_errors;		 /* breaks of its continuity counters */
	uint64_t jumps;			 /* of its clock, that were made continuous */
	uint64_t pair[RING_PAIR_COUNT_]; /* packets of a pair of RTP legs */
	uint64_t lost[LOST_CAUSE_COUNT_];
	uint64_t switches; /* to another source */
	uint64_t away_ms;  /* without media while viewers waited */
};

/* In the place of a source: jobs that were lost and do not read the source. */
#define HISTORY_OTHER_JOBS UINT_MAX

#define HISTORY_MINUTES 60u
#define HISTORY_ENTRIES 120u

struct history_entry {
	uint64_t minute; /* of the monotonic clock, from 1; 0 = free */
	unsigned source; /* its place in the list, or HISTORY_OTHER_JOBS */
	struct history_counts counts;
};

struct history {
	struct history_counts total;
	struct history_entry entries[HISTORY_ENTRIES];
	unsigned newest;
};

/* Adds what was counted since the last call, while this source was in use. */
void history_add(struct history *h, uint64_t now_us, unsigned source,
		 const struct history_counts *more);

/* The last hour's sum of a source.  *ret_worst is how many minutes ago it had most continuity
 * errors (0 without any). */
void history_hour(const struct history *h, uint64_t now_us, unsigned source,
		  struct history_counts *ret, unsigned *ret_worst);

/* The places of sources have another meaning now: forgets the hour, not the sums. */
void history_forget_hour(struct history *h);

#endif
