#include "unit.h"

#include "amps-transcoder/source/pace.h"

#define SECOND_90K 90000
#define SECOND_US  1000000ull

static struct pace p;

/* Reads media in steps of 40 ms as fast as the pace lets it, for `wall` seconds from now_us on,
 * from a source that has at most `offered` permil of real time to give (0 = all at once).  Returns
 * the media seconds read. */
static double read_for(double wall, uint64_t *now_us, int64_t *clock_90k, unsigned offered)
{
	uint64_t begin_us = *now_us, end_us = *now_us + (uint64_t)(wall * 1e6);
	int64_t begin_90k = *clock_90k;

	while (*now_us < end_us) {
		uint64_t delay = pace_delay_us(&p, *clock_90k, *now_us);
		int64_t there = (int64_t)(*now_us - begin_us) * 9 * offered / 100000;

		if (delay)
			*now_us += MIN(delay, 40000u);
		else if (offered && *clock_90k - begin_90k >= there)
			*now_us += 10000;
		else
			*clock_90k += 3600;
	}
	return (double)(*clock_90k - begin_90k) / SECOND_90K;
}

Test(pace, a_file_runs_one_second_ahead)
{
	uint64_t now_us = 5 * SECOND_US;
	int64_t clock = 777;

	pace_init(&p, PACE_FILE);
	cr_assert_float_eq(read_for(0.1, &now_us, &clock, 0), 1.1, 0.2);
	cr_assert_float_eq(read_for(20, &now_us, &clock, 0), 20, 0.1);
}

Test(pace, real_time_is_never_ahead)
{
	uint64_t now_us = 5 * SECOND_US;
	int64_t clock = 0;

	pace_init(&p, PACE_REAL);
	cr_assert_float_eq(read_for(10, &now_us, &clock, 0), 10, PACE_LUMP_US / 1e6);
}

/* Each wait is worth its wake-up, however small the pieces are. */
Test(pace, waiting_data_is_read_in_blocks)
{
	static const enum pace_kind kinds[] = {PACE_REAL, PACE_FILE, PACE_LIVE};

	for (size_t i = 0; i < array_size(kinds); i++) {
		uint64_t now_us = 5 * SECOND_US;
		int64_t clock = 0;
		unsigned waits = 0;

		pace_init(&p, kinds[i]);
		while (now_us < 15 * SECOND_US) {
			uint64_t delay = pace_delay_us(&p, clock, now_us);

			waits += delay > 0;
			now_us += delay;
			clock += delay ? 0 : 900;
		}
		cr_assert_leq(waits, 10 * SECOND_US / PACE_LUMP_US + 1, "kind %zu: %u", i, waits);
	}
}

Test(pace, an_unknown_clock_and_datagrams_never_wait)
{
	pace_init(&p, PACE_FILE);
	cr_assert_eq(pace_delay_us(&p, TIME_NONE, 1), 0);
	pace_init(&p, PACE_NONE);
	cr_assert_eq(pace_delay_us(&p, 0, 1), 0);
	cr_assert_eq(pace_delay_us(&p, 100 * SECOND_90K, 2), 0);
}

Test(pace, a_live_source_may_burst_and_drift)
{
	uint64_t now_us = 5 * SECOND_US;
	int64_t clock = 0;

	pace_init(&p, PACE_LIVE);
	cr_assert_float_eq(read_for(0.1, &now_us, &clock, 0), 4.1, 0.2);
	/* one percent too fast for ten minutes: followed, never held */
	cr_assert_float_eq(read_for(600, &now_us, &clock, 1010), 606, 1);
}

Test(pace, a_source_faster_than_real_time_is_throttled)
{
	uint64_t now_us = 5 * SECOND_US;
	int64_t clock = 0;

	pace_init(&p, PACE_LIVE);
	cr_assert_leq(read_for(600, &now_us, &clock, 1500), 606);
	cr_assert_leq(read_for(600, &now_us, &clock, 0), 602);
}

Test(pace, a_clock_jump_restarts_the_measurement)
{
	uint64_t now_us = 5 * SECOND_US;
	int64_t clock = 0;

	pace_init(&p, PACE_FILE);
	read_for(5, &now_us, &clock, 0);
	clock += 3600 * SECOND_90K;
	cr_assert_float_eq(read_for(10, &now_us, &clock, 0), 10, 1.1);
	clock -= 7200ll * SECOND_90K;
	cr_assert_float_eq(read_for(10, &now_us, &clock, 0), 10, 1.1);
}

Test(pace, a_stopped_reader_does_not_burst_afterwards)
{
	uint64_t now_us = 5 * SECOND_US;
	int64_t clock = 0;

	pace_init(&p, PACE_FILE);
	read_for(5, &now_us, &clock, 0);
	now_us += 30 * SECOND_US;
	cr_assert_float_eq(read_for(1, &now_us, &clock, 0), 2, 0.2);
}

Test(pace, at_most_one_block_is_read_beyond_the_lead)
{
	const int64_t lump_90k = PACE_LUMP_US * 9 / 100;

	pace_init(&p, PACE_REAL);
	cr_assert_eq(pace_delay_us(&p, 0, SECOND_US), 0);
	cr_assert_eq(pace_delay_us(&p, lump_90k, SECOND_US), 0);
	cr_assert_eq(pace_delay_us(&p, lump_90k + 9, SECOND_US), PACE_LUMP_US + 100);
}
