#include "amps-transcoder/ts/clock_watch.h"

#include <assert.h>
#include <stdlib.h>

#define WINDOW_US 2000000
#define JUMP_90K  (10 * 90000) /* another timeline */

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

void clock_watch_pcr(struct clock_watch *w, int64_t pcr_90k, uint64_t now_us)
{
	int64_t step_90k = pcr_90k - w->last_90k;
	bool first = w->last_90k == TIME_NONE;

	assert(pcr_90k != TIME_NONE && now_us >= w->last_us);
	if (first)
		w->window_us = now_us;
	else if (step_90k > 0 && step_90k < JUMP_90K)
		measure(w, step_90k, now_us);
	if (first || step_90k != 0)
		w->moved_us = now_us;
	w->last_90k = pcr_90k;
	w->last_us = now_us;
}
