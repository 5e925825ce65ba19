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
		clock_watch_pcr(&w, i * 90 * 40,
				now_us + (uint64_t)i * 40 * MS + (i == 7 ? 9 : 0) * MS);
	cr_assert_eq(w.interval_us, 40 * MS);
	cr_assert_eq(w.jitter_us, 9 * MS);
	cr_assert_eq(clock_watch_frozen_us(&w), 0);
	/* a jump is another timeline, not a distance */
	clock_watch_pcr(&w, 1000 * 90000, now_us + 61 * 40 * MS);
	cr_assert_lt(w.interval_us, 100 * MS);
}

Test(clock_watch, notices_a_clock_that_does_not_advance)
{
	struct clock_watch w = CLOCK_WATCH_INIT;

	clock_watch_pcr(&w, 90000, 1000 * MS);
	clock_watch_pcr(&w, 93600, 1040 * MS);
	for (unsigned i = 0; i < 10; i++)
		clock_watch_pcr(&w, 93600, (1080 + 40 * i) * MS);
	cr_assert_eq(clock_watch_frozen_us(&w), 400 * MS);
	clock_watch_pcr(&w, 97200, 1600 * MS);
	cr_assert_eq(clock_watch_frozen_us(&w), 0);
}
