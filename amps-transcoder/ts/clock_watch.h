/* clock_watch.h - how the clock references (PCR) of a source arrive: their distance, their jitter,
 * whether their value still changes.  Pure. */
#ifndef AMPS_TS_CLOCK_WATCH_H
#define AMPS_TS_CLOCK_WATCH_H

#include "common/base.h"
#include "common/clock.h"

struct clock_watch {
	int64_t last_90k;		  /* the last PCR; TIME_NONE */
	uint64_t last_us;		  /* when it came */
	uint64_t moved_us;		  /* when it was last another one than before */
	uint64_t window_us;		  /* when the present measurement began */
	uint64_t longest_90k, largest_us; /* in the present one */
	uint64_t interval_us, jitter_us;  /* in the last one: longest distance in the stream, and
					     largest difference between it and that of arrival */
};

#define CLOCK_WATCH_INIT ((struct clock_watch){.last_90k = TIME_NONE})

/* A PCR of the source has come. */
void clock_watch_pcr(struct clock_watch *w, int64_t pcr_90k, uint64_t now_us);

/* For how long PCRs have come that were all the same. */
static inline uint64_t clock_watch_frozen_us(const struct clock_watch *w)
{
	return w->last_us - w->moved_us;
}

#endif
