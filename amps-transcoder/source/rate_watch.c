#include "amps-transcoder/source/rate_watch.h"

#include <assert.h>

#define LEAP_90K     (3 * 90000) /* a larger step of the clock is a jump */
#define WAITED_SHARE 4		 /* of a window that the reader must have waited */

static void window_begin(struct rate_watch *w, int64_t lead_us, uint64_t now_us)
{
	w->window_us = now_us;
	w->length_us = MAX((uint64_t)RATE_WINDOW_US, 2 * w->gap_us);
	w->gap_us = w->waited_us = 0;
	w->lead_us = lead_us;
}

static void begin(struct rate_watch *w, int64_t clock_90k, uint64_t now_us)
{
	*w = (struct rate_watch){.furthest_90k = clock_90k,
				 .moved_us = now_us,
				 .base_90k = clock_90k,
				 .base_us = now_us};
	window_begin(w, 0, now_us);
}

/* Compares the window that ends with the one before it. */
static void compare(struct rate_watch *w, uint64_t now_us)
{
	int64_t passed_us = (int64_t)(w->window_us - w->before_window_us);
	bool waited = w->waited_us >= (now_us - w->window_us) / WAITED_SHARE;

	if (!w->compared || !waited || w->before_us - w->lead_us <= passed_us / RATE_LOST_SHARE) {
		w->falls = 0;
	} else if (w->falls++ == 0) {
		w->fall_from_us = w->before_us;
		w->fall_window_us = w->before_window_us;
	}
	w->compared = true;
	w->before_us = w->lead_us;
	w->before_window_us = w->window_us;
}

/* What it delivered since the falls began. */
static unsigned permil(const struct rate_watch *w)
{
	int64_t passed_us = (int64_t)(w->before_window_us - w->fall_window_us);
	int64_t lost_us = w->fall_from_us - w->before_us;

	assert(passed_us > 0 && lost_us > 0);
	return (unsigned)MAX(1000 - lost_us * 1000 / passed_us, 1);
}

unsigned rate_watch_clock(struct rate_watch *w, int64_t clock_90k, uint64_t now_us)
{
	int64_t lead_us;
	unsigned found;

	if (clock_90k == TIME_NONE || clock_90k == w->furthest_90k)
		return 0;
	if (w->furthest_90k == TIME_NONE || clock_90k - w->furthest_90k > LEAP_90K ||
	    clock_90k - w->furthest_90k < -LEAP_90K) {
		begin(w, clock_90k, now_us);
		return 0;
	}
	/* streams that are interleaved in long pieces */
	if (clock_90k < w->furthest_90k)
		return 0;
	assert(now_us >= w->moved_us);
	w->gap_us = MAX(w->gap_us, now_us - w->moved_us);
	w->moved_us = now_us;
	w->furthest_90k = clock_90k;
	lead_us = (clock_90k - w->base_90k) * 100 / 9 - (int64_t)(now_us - w->base_us);
	w->lead_us = MAX(w->lead_us, lead_us);
	if (now_us - w->window_us < MAX(w->length_us, 2 * w->gap_us))
		return 0;
	compare(w, now_us);
	if (w->falls < RATE_FALLS) {
		window_begin(w, lead_us, now_us);
		return 0;
	}
	found = permil(w);
	begin(w, clock_90k, now_us);
	return found;
}
