#include "unit.h"

#include "amps-transcoder/encode/effort.h"

#define PICTURE_90K 3600
#define MS	    1000ull

static struct effort e;
static uint64_t now_us;
static int64_t time_90k;
static struct effort_report got;

static void scene_begin(void)
{
	e = EFFORT_INIT;
	now_us = 5000 * MS;
	time_90k = 1 << 20;
}

/* Takes so many pictures, each after a wait and with work.  The number of reports. */
static unsigned take(unsigned pictures, uint64_t wait_us, uint64_t work_us)
{
	unsigned reports = 0;

	for (unsigned i = 0; i < pictures; i++) {
		now_us += wait_us;
		effort_waited(&e, wait_us);
		time_90k += PICTURE_90K;
		reports += effort_take(&e, true, time_90k, now_us, &got);
		now_us += work_us;
	}
	return reports;
}

Test(effort, the_speed_leaves_out_what_it_waits)
{
	scene_begin();
	/* 40 ms of media: a quarter of the time is work */
	cr_expect_eq(take(251, 30 * MS, 10 * MS), 5);
	cr_expect_leq(abs((int)got.permil - 4000), 40, "%u", got.permil);
	cr_expect_eq(got.dropped, 0);
	/* it needs more than there is */
	take(200, 0, 50 * MS);
	cr_expect_leq(abs((int)got.permil - 800), 8, "%u", got.permil);
}

Test(effort, pictures_that_a_skip_leaves_out_are_counted_once)
{
	scene_begin();
	take(10, 0, 60 * MS);
	effort_skip(&e, true);
	time_90k += 25 * PICTURE_90K;
	cr_expect_eq(take(1, 0, 60 * MS), 1, "a job that skips often is not silent");
	cr_expect_eq(got.dropped, 25);
	cr_expect_leq(abs((int)got.permil - 600), 10, "%u", got.permil);
	take(100, 0, 60 * MS);
	cr_expect_eq(got.dropped, 0);
}

Test(effort, a_source_that_goes_on_elsewhere_is_no_skip_and_no_speed)
{
	scene_begin();
	take(40, 30 * MS, 10 * MS);
	effort_skip(&e, false);
	time_90k -= 20 * PICTURE_90K; /* for an output that has joined */
	cr_expect_eq(take(40, 30 * MS, 10 * MS), 0);
	time_90k += 3600 * 90000ll;
	cr_expect_eq(take(40, 30 * MS, 10 * MS), 0);
	cr_expect_eq(take(20, 30 * MS, 10 * MS), 1);
	cr_expect_eq(got.dropped, 0);
	cr_expect_leq(abs((int)got.permil - 4000), 100, "%u", got.permil);
}

Test(effort, sound_counts_where_there_are_no_pictures)
{
	unsigned reports = 0;

	scene_begin();
	for (unsigned i = 0; i < 100; i++) {
		now_us += 24 * MS;
		effort_waited(&e, 23 * MS);
		time_90k += 2160;
		reports += effort_take(&e, false, time_90k, now_us, &got);
	}
	cr_expect_eq(reports, 1);
	cr_expect_leq(abs((int)got.permil - 24000), 300, "%u", got.permil);
	/* frames of sound that are left out are no pictures */
	effort_skip(&e, true);
	cr_expect(effort_take(&e, false, time_90k + 90000, now_us + 1000 * MS, &got));
	cr_expect_eq(got.dropped, 0);
	cr_expect_eq(take(2, 30 * MS, 10 * MS), 0);
	cr_expect_not(effort_take(&e, false, time_90k + 90000, now_us + 5000 * MS, &got));
}
