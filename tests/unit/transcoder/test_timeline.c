#include "unit.h"

#include "amps-transcoder/encode/timeline.h"

#define WRAP (1LL << 33)

static int64_t map(struct timeline *t, unsigned stream, int64_t time)
{
	int64_t pts = time & (WRAP - 1), dts = pts;

	timeline_map(t, stream, true, &pts, &dts, 3600);
	cr_expect_eq(pts, dts);
	return dts;
}

Test(timeline, keeps_times_and_unwraps_them)
{
	struct timeline t;

	timeline_init(&t, TIME_NONE, false);
	cr_expect_eq(map(&t, 0, WRAP - 3600), WRAP - 3600);
	cr_expect_eq(map(&t, 1, WRAP - 1800), WRAP - 1800);
	cr_expect_eq(map(&t, 0, WRAP), WRAP);
	cr_expect_eq(map(&t, 1, WRAP + 1800), WRAP + 1800);
	cr_expect_eq(map(&t, 0, WRAP + 3600), WRAP + 3600);
	cr_expect_eq(t.jumps, 0);
}

Test(timeline, does_not_begin_near_zero)
{
	struct timeline t;

	timeline_init(&t, TIME_NONE, false);
	cr_expect_eq(map(&t, 0, 0), 900000);
	cr_expect_eq(map(&t, 0, 3600), 903600);
}

Test(timeline, a_pts_may_wrap_before_its_dts)
{
	struct timeline t;
	int64_t pts = 1800, dts = WRAP - 1800;

	timeline_init(&t, TIME_NONE, false);
	timeline_map(&t, 0, true, &pts, &dts, 3600);
	cr_expect_eq(dts, WRAP - 1800);
	cr_expect_eq(pts, WRAP + 1800);
}

Test(timeline, a_damaged_pts_or_length_moves_nothing_far)
{
	struct timeline t;
	int64_t pts = 1000000 + (1LL << 32) - 1, dts = 1000000;

	timeline_init(&t, TIME_NONE, false);
	timeline_map(&t, 0, true, &pts, &dts, 3600);
	cr_expect_eq(pts, 1000000);
	cr_expect_eq(t.frontier, 1003600);
	pts = 1003600 - 900001;
	dts = 1003600;
	timeline_map(&t, 0, true, &pts, &dts, 1LL << 32);
	cr_expect_eq(pts, 1003600);
	cr_expect_eq(t.frontier, 1003600 + 900000);
}

Test(timeline, continues_while_streams_jump_one_after_the_other)
{
	struct timeline t;
	int64_t video, sound;

	timeline_init(&t, TIME_NONE, false);
	map(&t, 0, 1000000);
	map(&t, 1, 1000000);
	video = map(&t, 0, 90000000);
	cr_expect_eq(video, 1003600);
	/* the sound is still in the old time, then follows with the same distance to the picture */
	cr_expect_eq(map(&t, 1, 1003600), 1003600);
	cr_expect_eq(map(&t, 0, 90003600), 1007200);
	sound = map(&t, 1, 90003600);
	cr_expect_eq(sound, 1007200);
	cr_expect_eq(t.jumps, 1);
}

Test(timeline, a_small_gap_is_kept)
{
	struct timeline t;

	timeline_init(&t, TIME_NONE, false);
	map(&t, 0, 1000000);
	cr_expect_eq(map(&t, 0, 1000000 + 5 * 90000), 1000000 + 5 * 90000);
}

Test(timeline, continues_after_the_last_job)
{
	struct timeline t;

	/* the same clock, a little behind or ahead: times stay */
	timeline_init(&t, 1000000, false);
	cr_expect_eq(map(&t, 0, 980000), 980000);
	timeline_init(&t, 1000000, false);
	cr_expect_eq(map(&t, 0, 1100000), 1100000);
	/* another clock */
	timeline_init(&t, 1000000, false);
	cr_expect_eq(map(&t, 0, 500000000), 1000000);
	cr_expect_eq(map(&t, 0, 500003600), 1003600);
}

/* A variant must keep its distance to the others when its encoder is replaced, which begins with
 * the access point before the place where the last one stopped. */
Test(timeline, a_source_that_is_read_again_keeps_its_times)
{
	struct timeline t;

	timeline_init(&t, 10000000, true);
	cr_expect_eq(map(&t, 0, 9800000), 9800000);
	cr_expect_eq(map(&t, 0, 9803600), 9803600);
	/* after 33 bits */
	timeline_init(&t, (1ll << 33) + 10000000, true);
	cr_expect_eq(map(&t, 0, 9800000), (1ll << 33) + 9800000);
	/* its clock jumped in between */
	timeline_init(&t, 10000000, true);
	cr_expect_eq(map(&t, 0, 5000000), 10000000);
	/* another clock may be near by chance */
	timeline_init(&t, 10000000, false);
	cr_expect_eq(map(&t, 0, 9800000), 10000000);
}

Test(timeline, a_new_source_follows_the_frontier_but_a_rewind_does_not)
{
	struct timeline t;

	timeline_init(&t, TIME_NONE, false);
	map(&t, 0, 1000000);
	timeline_rewind(&t);
	cr_expect_eq(map(&t, 0, 500000), 500000);
	map(&t, 0, 503600);
	timeline_restart(&t);
	cr_expect_eq(map(&t, 0, 200000), 507200);
}

Test(timeline, sound_without_a_time_follows)
{
	struct timeline t;

	timeline_init(&t, TIME_NONE, false);
	cr_expect_eq(timeline_follow(&t, 0, true, 1920), TIME_NONE);
	map(&t, 0, 1000000);
	cr_expect_eq(timeline_follow(&t, 0, true, 1920), 1003600);
	cr_expect_eq(timeline_follow(&t, 0, true, 1920), 1005520);
}

/* A subtitle that comes `lead` ahead of its time; where it is placed. */
static int64_t map_subtitle(struct timeline *t, int64_t time)
{
	int64_t pts = time, dts = TIME_NONE;

	timeline_map(t, 2, false, &pts, &dts, 0);
	cr_expect_eq(dts, TIME_NONE);
	return pts;
}

Test(timeline, a_late_subtitle_does_not_move_the_timeline)
{
	const int64_t begin = 1000000, lead = 30600;
	struct timeline t;

	timeline_init(&t, TIME_NONE, false);
	for (int64_t at = begin; at < begin + 40 * 90000; at += 3600) {
		cr_assert_eq(map(&t, 0, at), at);
		cr_assert_eq(map(&t, 1, at), at);
		/* once, then after pauses of 12 seconds */
		if ((at - begin) % (12 * 90000) == 0)
			cr_assert_eq(map_subtitle(&t, at + lead), at + lead);
	}
	cr_expect_eq(t.jumps, 0);
}

Test(timeline, a_subtitle_does_not_begin_the_timeline)
{
	struct timeline t;

	timeline_init(&t, 1000000, false);
	cr_expect_eq(map_subtitle(&t, 500030600), TIME_NONE);
	cr_expect_eq(map(&t, 0, 500000000), 1000000);
	cr_expect_eq(map_subtitle(&t, 500030600), 1030600);
}

Test(timeline, sound_that_was_absent_returns_at_its_time)
{
	struct timeline t;

	timeline_init(&t, TIME_NONE, false);
	map(&t, 1, 1000000);
	for (int64_t at = 1000000; at < 1000000 + 16 * 90000; at += 3600)
		cr_assert_eq(map(&t, 0, at), at);
	cr_expect_eq(map(&t, 1, 1000000 + 16 * 90000), 1000000 + 16 * 90000);
	cr_expect_eq(t.jumps, 0);
}

Test(timeline, ten_seconds_ahead_and_one_back_are_no_jump)
{
	const int64_t next = 1003600;
	const struct {
		int64_t time, mapped;
	} rows[] = {
		{next + 900000, next + 900000},
		{next + 900001, next},
		{next - 90000, next - 90000},
		{next - 90001, next},
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		struct timeline t;

		timeline_init(&t, TIME_NONE, false);
		map(&t, 0, next - 3600);
		cr_expect_eq(map(&t, 0, rows[i].time), rows[i].mapped, "row %zu", i);
		cr_expect_eq(t.jumps, rows[i].time != rows[i].mapped, "row %zu", i);
	}
}
