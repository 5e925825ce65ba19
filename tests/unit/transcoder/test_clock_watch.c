/* test_clock_watch.c - the distance and the jitter of clock references, and a clock that does not
 * advance. */
#include "unit.h"

#include "amps-transcoder/ts/clock_watch.h"

#define MS 1000ull

Test(clock_watch, measures_distance_and_jitter)
{
	struct clock_watch w = CLOCK_WATCH_INIT;
	uint64_t now_us = 5000 * MS;

	for (int i = 0; i <= 60; i++)
		clock_watch_time(&w, i * 90 * 40,
				 now_us + (uint64_t)i * 40 * MS + (i == 7 ? 9 : 0) * MS);
	cr_assert_eq(w.interval_us, 40 * MS);
	cr_assert_eq(w.jitter_us, 9 * MS);
	cr_assert_lt(clock_watch_frozen_us(&w), 150 * MS);
	/* a jump is another timeline, not a distance */
	clock_watch_time(&w, 1000 * 90000, now_us + 61 * 40 * MS);
	cr_assert_lt(w.interval_us, 100 * MS);
}

Test(clock_watch, notices_a_clock_that_does_not_advance)
{
	struct clock_watch w = CLOCK_WATCH_INIT;

	clock_watch_time(&w, 90000, 1000 * MS);
	clock_watch_time(&w, 99000, 1100 * MS);
	for (unsigned i = 0; i < 10; i++)
		clock_watch_time(&w, 99000, (1140 + 40 * i) * MS);
	cr_assert_eq(clock_watch_frozen_us(&w), 400 * MS);
	clock_watch_time(&w, 108000, 1600 * MS);
	cr_assert_eq(clock_watch_frozen_us(&w), 0);
}

/* Pictures and sound stand at their own times; what muxes them makes each a little later than the
 * one before. */
Test(clock_watch, times_that_only_grow_by_a_tick_do_not_advance)
{
	struct clock_watch w = CLOCK_WATCH_INIT;
	uint64_t now_us = 1000 * MS;

	clock_watch_time(&w, 90000, now_us);
	for (int i = 1; i <= 1000; i++)
		clock_watch_time(&w, i % 2 ? 90000 + i : 50000 + i, now_us += 10 * MS);
	cr_assert_eq(clock_watch_frozen_us(&w), 10000 * MS);
}

/* Sound may follow the pictures behind which a source paused. */
Test(clock_watch, a_pause_is_no_clock_that_stands)
{
	struct clock_watch w = CLOCK_WATCH_INIT;

	clock_watch_time(&w, 90000, 1000 * MS);
	clock_watch_time(&w, 60000, 60000 * MS);
	clock_watch_time(&w, 64000, 60001 * MS);
	cr_assert_lt(clock_watch_frozen_us(&w), 600 * MS);
}

Test(clock_watch, a_jump_back_is_no_clock_that_stands)
{
	struct clock_watch w = CLOCK_WATCH_INIT;

	clock_watch_time(&w, 1000 * 90000, 1000 * MS);
	clock_watch_time(&w, 500 * 90000, 4000 * MS);
	cr_assert_eq(clock_watch_frozen_us(&w), 0);
}
