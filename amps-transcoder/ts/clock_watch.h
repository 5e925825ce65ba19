/* clock_watch.h - how the times of a source arrive, in a transport stream its clock references
 * (PCR): their distance, their jitter, whether they still advance.  Pure. */
#ifndef AMPS_TS_CLOCK_WATCH_H
#define AMPS_TS_CLOCK_WATCH_H

#include "common/base.h"
#include "common/clock.h"

struct clock_watch {
	int64_t last_90k;		  /* the last one; TIME_NONE */
	uint64_t last_us;		  /* when it came */
	int64_t moved_90k;		  /* the last one that had advanced, or jumped */
	uint64_t stands_us;		  /* since then; pauses count little */
	uint64_t window_us;		  /* when the present measurement began */
	uint64_t longest_90k, largest_us; /* in the present one */
	uint64_t interval_us, jitter_us;  /* in the last one: longest distance in the stream, and
					     largest difference between it and that of arrival */
};

#define CLOCK_WATCH_INIT ((struct clock_watch){.last_90k = TIME_NONE})

/* A clock reference of the source has come, or what has this time. */
void clock_watch_time(struct clock_watch *w, int64_t time_90k, uint64_t now_us);

/* For how long times have come that did not advance; in a pause none came. */
static inline uint64_t clock_watch_frozen_us(const struct clock_watch *w)
{
	return w->stands_us;
}

#endif
