#include "amps-master/lineup/schedule.h"

#include "unit.h"

static int parse(const char *json, struct schedule_window *ret)
{
	json_t *entry = json_loads(json, 0, NULL);
	int r;

	cr_assert_not_null(entry);
	r = schedule_parse(entry, ret);
	json_decref(entry);
	return r;
}

Test(schedule, reads_windows)
{
	struct schedule_window w;

	cr_assert_eq(parse("{\"schedule\":{\"start\":\"1970-01-01T00:00:10Z\","
			   "\"end\":\"1970-01-01 00:00:20+00:00\"}}",
			   &w),
		     0);
	cr_assert_eq(w.start_wall_us, 10000000);
	cr_assert_eq(w.end_wall_us, 20000000);
	cr_assert_eq(parse("{\"schedule\":{\"start\":\"1970-01-01T00:00:10\"}}", &w), 0);
	cr_assert_eq(w.start_wall_us, 10000000);
	cr_assert_eq(w.end_wall_us, TIME_NONE);
	cr_assert_eq(parse("{\"schedule\":{\"start\":null,\"end\":null}}", &w), 0);
	cr_assert_eq(w.start_wall_us, TIME_NONE);
}

Test(schedule, a_schedule_without_times_is_open)
{
	static const char *const entries[] = {"{}", "{\"schedule\":null}", "{\"schedule\":{}}"};

	for (size_t i = 0; i < array_size(entries); i++) {
		struct schedule_window w = {1, 2};

		cr_assert_eq(parse(entries[i], &w), 0, "%s", entries[i]);
		cr_expect_eq(w.start_wall_us, TIME_NONE);
		cr_expect_eq(w.end_wall_us, TIME_NONE);
	}
}

Test(schedule, refuses_unreadable_times)
{
	struct schedule_window w = {1, 2};

	cr_assert_eq(parse("{\"schedule\":5}", &w), -EINVAL);
	cr_assert_eq(parse("{\"schedule\":{\"start\":\"soon\"}}", &w), -EINVAL);
	cr_assert_eq(parse("{\"schedule\":{\"start\":5}}", &w), -EINVAL);
	cr_assert_eq(parse("{\"schedule\":{\"start\":\"1970-01-02\",\"end\":\"1970-01-02\"}}", &w),
		     -EINVAL);
	cr_assert_eq(parse("{\"schedule\":{\"start\":\"1970-01-02\",\"end\":\"1970-01-01\"}}", &w),
		     -EINVAL);
	cr_assert_eq(w.start_wall_us, 1);
}

Test(schedule, on_air_from_start_up_to_end)
{
	struct schedule_window w = {10, 20}, open = SCHEDULE_ALWAYS;

	cr_assert_not(schedule_on_air(&w, 9));
	cr_assert(schedule_on_air(&w, 10));
	cr_assert(schedule_on_air(&w, 19));
	cr_assert_not(schedule_on_air(&w, 20));
	cr_assert(schedule_on_air(&open, 0));
	cr_assert(schedule_on_air(&open, -5));
}

Test(schedule, next_change)
{
	struct schedule_window w = {10, 20}, late = {10, TIME_NONE}, early = {TIME_NONE, 20};
	struct schedule_window open = SCHEDULE_ALWAYS;

	cr_assert_eq(schedule_next_change(&w, 9), 10);
	cr_assert_eq(schedule_next_change(&w, 10), 20);
	cr_assert_eq(schedule_next_change(&w, 20), TIME_NONE);
	cr_assert_eq(schedule_next_change(&late, 10), TIME_NONE);
	cr_assert_eq(schedule_next_change(&early, 0), 20);
	cr_assert_eq(schedule_next_change(&open, 0), TIME_NONE);
	cr_assert_eq(schedule_earlier(5, 3), 3);
	cr_assert_eq(schedule_earlier(TIME_NONE, 3), 3);
	cr_assert_eq(schedule_earlier(5, TIME_NONE), 5);
	cr_assert_eq(schedule_earlier(TIME_NONE, TIME_NONE), TIME_NONE);
}
