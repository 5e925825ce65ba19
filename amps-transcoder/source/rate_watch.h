/* rate_watch.h - notices a source that delivers less than real time.
 *
 * The lead is how far the source's clock has advanced beyond the time that has passed.  A healthy
 * source keeps its lead: a burst or a delay changes it for a moment only.  Therefore the highest
 * lead of each window is compared with that of the window before.  A source is slow if it has lost
 * more than a tenth of the time in each of RATE_FALLS windows in a row, while the reader waited for
 * it.  A window is longer than two pauses of a source that delivers in bursts.  A jump of the clock
 * restarts the measurement.  Pure; times are given. */
#ifndef AMPS_RATE_WATCH_H
#define AMPS_RATE_WATCH_H

#include "common/base.h"
#include "common/clock.h"

#define RATE_WINDOW_US	1800000u /* with RATE_FALLS: decided within ten seconds */
#define RATE_FALLS	4u
#define RATE_LOST_SHARE 10 /* a source is slow if it loses more than 1/10 of the time */

struct rate_watch {
	int64_t furthest_90k; /* TIME_NONE = nothing measured */
	uint64_t moved_us;    /* when the clock advanced last */
	int64_t base_90k;     /* media time that belongs to base_us */
	uint64_t base_us;
	uint64_t window_us, length_us; /* of the present window */
	uint64_t gap_us;	       /* the longest pause in it */
	uint64_t waited_us;	       /* how long the reader waited in it */
	int64_t lead_us;	       /* the highest in it */
	bool compared;		       /* there is a window before it, with the next two */
	int64_t before_us;
	uint64_t before_window_us;
	unsigned falls; /* in a row */
	int64_t fall_from_us;
	uint64_t fall_window_us; /* the window before the first of them */
};

#define RATE_WATCH_INIT ((struct rate_watch){.furthest_90k = TIME_NONE})

/* The reader has waited so long for bytes of the source. */
static inline void rate_watch_waited(struct rate_watch *w, uint64_t us)
{
	w->waited_us += us;
}

/* The stream has come to clock_90k (TIME_NONE: unknown yet) at now_us.  Returns 0, or what the
 * source delivers in permil of real time when it has been found slow; then it measures again. */
unsigned rate_watch_clock(struct rate_watch *w, int64_t clock_90k, uint64_t now_us);

#endif
