#include "unit.h"

#include "amps-transcoder/source/rate_watch.h"

#define STEP_US	  20000ull
#define SECOND_US 1000000ull

/* A source under a clock of the test.  What it has sent lies in front of the reader, which waits
 * whenever there is nothing. */
static struct rate_watch w;
static uint64_t now_us;
static double sent, read_to; /* seconds of media */
static int64_t moved_90k;    /* jumps of the source's clock so far */
static unsigned found;	     /* the last report, in permil */

static void scene_begin(void)
{
	w = RATE_WATCH_INIT;
	now_us = 77 * SECOND_US;
	sent = read_to = 0;
	moved_90k = 5555;
	found = 0;
}

/* The source delivers at `rate` in bursts every `period` seconds (0 = evenly), and the reader takes
 * at most `speed` times real time.  Ends after `seconds`, or at a report.  Returns how long it
 * took.
 */
static double deliver(double seconds, double rate, double period, double speed)
{
	double passed = 0, before = sent, share = 0;

	while (passed < seconds && !found) {
		now_us += STEP_US;
		passed += STEP_US / 1e6;
		share = period > 0 ? period * (int)(passed / period) : passed;
		sent = before + rate * share;
		if (read_to >= sent) {
			rate_watch_waited(&w, STEP_US);
			continue;
		}
		read_to = MIN(sent, read_to + speed * STEP_US / 1e6);
		if (speed > 10 && period == 0)
			rate_watch_waited(&w, STEP_US);
		found = rate_watch_clock(&w, (int64_t)(read_to * 90000) + moved_90k, now_us);
	}
	return passed;
}

Test(rate_watch, less_than_real_time_is_found_within_ten_seconds)
{
	static const double rates[] = {0.85, 0.6, 0.3, 0.1};

	for (size_t i = 0; i < array_size(rates); i++) {
		double took;

		scene_begin();
		deliver(60, 1, 0, 100);
		cr_assert_eq(found, 0);
		took = deliver(60, rates[i], 0, 100);
		cr_assert(found && took < 10, "rate %.2f took %.2f s", rates[i], took);
		cr_assert_leq(abs((int)found - (int)(rates[i] * 1000)), 80, "%u", found);
	}
	scene_begin();
	cr_assert_lt(deliver(60, 0.6, 0, 100), 10, "also from its first byte");
}

Test(rate_watch, it_is_found_again_and_again)
{
	scene_begin();
	deliver(60, 0.6, 0, 100);
	cr_assert(found);
	found = 0;
	deliver(12, 0.6, 0, 100);
	cr_assert(found);
	found = 0;
	deliver(60, 1, 0, 100);
	cr_assert_eq(found, 0, "until it keeps real time");
}

Test(rate_watch, a_slow_source_that_delivers_in_bursts_is_found)
{
	scene_begin();
	cr_assert_lt(deliver(120, 0.6, 4, 100), 60);
	cr_assert(found);
}

/* Segments, pieces that a server gathers, a source that is a little slower than our clock. */
Test(rate_watch, healthy_sources_are_never_slow)
{
	static const double periods[] = {0, 0.5, 1, 2, 3.9, 6, 10};

	for (size_t i = 0; i < array_size(periods); i++) {
		scene_begin();
		deliver(300, 0.97, periods[i], 100);
		cr_assert_eq(found, 0, "every %.1f s", periods[i]);
	}
}

/* Pauses of changing length, all of them made up for. */
Test(rate_watch, uneven_bursts_are_healthy)
{
	scene_begin();
	for (unsigned i = 0; i < 200; i++) {
		double pause = 0.3 + (i * 7 % 13) * 0.35;

		deliver(pause + 0.03, 1, pause, 100);
	}
	cr_assert_eq(found, 0);
}

/* A server sends what it has gathered, then real time; or it pauses until that is played. */
Test(rate_watch, a_buffer_at_the_start_is_no_reference)
{
	for (unsigned pause = 0; pause < 2; pause++) {
		scene_begin();
		deliver(2, 5, 0, 100);
		if (pause)
			deliver(4.5, 0, 0, 100);
		deliver(60, 1, 0, 100);
		cr_assert_eq(found, 0);
	}
}

Test(rate_watch, a_single_stall_is_no_slowness)
{
	for (double stall = 0.5; stall < 9; stall += 0.5) {
		scene_begin();
		deliver(13, 1, 0, 100);
		deliver(stall, 0, 0, 100);
		deliver(60, 1, 0, 100);
		cr_assert_eq(found, 0, "%.1f s that never come", stall);
		scene_begin();
		deliver(13, 1, 0, 100);
		deliver(stall, 0, 0, 100);
		sent += stall;
		deliver(60, 1, 0, 100);
		cr_assert_eq(found, 0, "%.1f s that come late", stall);
	}
}

/* The clock is unwrapped before; a jump of it is not lost time. */
Test(rate_watch, jumps_of_the_clock_are_not_judged)
{
	scene_begin();
	for (unsigned i = 0; i < 60; i++) {
		deliver(1.5, 1, 0, 100);
		moved_90k += i % 2 ? -40 * 90000 : 3600 * 90000;
	}
	cr_assert_eq(found, 0);
	for (unsigned i = 0; i < 60; i++) { /* a loop of three seconds, not made continuous */
		deliver(3.2, 1, 0, 100);
		moved_90k -= (int64_t)(3.2 * 90000);
	}
	cr_assert_eq(found, 0);
}

/* The job, not the source, is behind: there is always something to read. */
Test(rate_watch, a_reader_that_is_slow_itself_blames_nobody)
{
	scene_begin();
	deliver(60, 1, 0, 0.6);
	cr_assert_eq(found, 0);
}

/* A stopped process: nothing is read for long, several times, then all at once. */
Test(rate_watch, a_process_that_was_stopped_catches_up)
{
	scene_begin();
	for (unsigned i = 0; i < 12; i++) {
		deliver(3, 1, 0, 100);
		now_us += 8 * SECOND_US;
		sent += 8;
	}
	cr_assert_eq(found, 0);
}

Test(rate_watch, sound_and_picture_in_long_pieces_are_no_jumps)
{
	unsigned slow = 0;

	scene_begin();
	for (unsigned i = 0; i < 3000; i++) {
		int64_t at = (int64_t)i * 1800;

		now_us += STEP_US;
		rate_watch_waited(&w, STEP_US);
		slow |= rate_watch_clock(&w, at, now_us);
		slow |= rate_watch_clock(&w, at - 90000, now_us);
		slow |= rate_watch_clock(&w, TIME_NONE, now_us);
	}
	cr_assert_eq(slow, 0);
}
