#include "amps-transcoder/ts/clock_watch.h"

#include <assert.h>
#include <stdlib.h>

#define WINDOW_US 2000000
#define JUMP_90K  (10 * 90000) /* another timeline */
/* Who makes equal times grow (a muxer, for each packet by one) advances slower than this in ten
 * seconds; streams that stand are less than a second apart. */
#define MOVED_90K (90000 / 10)
#define BACK_90K  90000
#define PAUSE_US  500000 /* what comes behind a longer one may be older than what came before it */

static void measure(struct clock_watch *w, int64_t step_90k, uint64_t now_us)
{
	int64_t late_us = (int64_t)(now_us - w->last_us) - step_90k * 100 / 9;

	w->longest_90k = MAX(w->longest_90k, (uint64_t)step_90k);
	w->largest_us = MAX(w->largest_us, (uint64_t)llabs(late_us));
	if (now_us - w->window_us < WINDOW_US)
		return;
	w->interval_us = w->longest_90k * 100 / 9;
	w->jitter_us = w->largest_us;
	w->window_us = now_us;
	w->longest_90k = w->largest_us = 0;
}

static bool moved(const struct clock_watch *w, int64_t time_90k)
{
	return time_90k >= w->moved_90k + MOVED_90K || time_90k < w->moved_90k - BACK_90K;
}

void clock_watch_time(struct clock_watch *w, int64_t time_90k, uint64_t now_us)
{
	int64_t step_90k = time_90k - w->last_90k;
	bool first = w->last_90k == TIME_NONE;

	assert(time_90k != TIME_NONE && now_us >= w->last_us);
	if (first)
		w->window_us = now_us;
	else if (step_90k > 0 && step_90k < JUMP_90K)
		measure(w, step_90k, now_us);
	if (first || moved(w, time_90k)) {
		w->moved_90k = time_90k;
		w->stands_us = 0;
	} else {
		w->stands_us += MIN(now_us - w->last_us, PAUSE_US);
	}
	w->last_90k = time_90k;
	w->last_us = now_us;
}
