/* test_gone_watch.c - pictures or sounds that are gone while the others go on. */
#include "unit.h"

#include "amps-transcoder/ts/gone_watch.h"

#define SECOND_US 1000000ull

static struct ts_parse parse;
static struct gone_watch w;
static uint64_t now_us;

static void begin(void)
{
	w = GONE_WATCH_INIT;
	now_us = 1000 * SECOND_US;
	ts_parse_init(&parse);
	parse.stream_count = 2;
	parse.streams[0] = (struct ts_stream){.kind = TS_KIND_VIDEO, .last_pts_90k = TIME_NONE};
	parse.streams[1] = (struct ts_stream){.kind = TS_KIND_AUDIO, .last_pts_90k = TIME_NONE};
}

/* So many seconds in which only these kinds come, `step` seconds of them at a time. */
static enum content_fault play(unsigned seconds, unsigned step, bool picture, bool sound)
{
	for (unsigned at = 0; at < seconds; at += step) {
		now_us += step * SECOND_US;
		for (unsigned i = 0; i < 2; i++)
			if (i ? sound : picture) {
				int64_t *pts = &parse.streams[i].last_pts_90k;

				*pts = (int64_t)(now_us / 1000) * 90;
				gone_watch_streams(&w, &parse, now_us);
				cr_assert_neq(gone_watch_verdict(&w, now_us),
					      i ? CONTENT_NO_SOUND : CONTENT_NO_PICTURE);
			}
	}
	return gone_watch_verdict(&w, now_us);
}

Test(gone_watch, what_is_gone_for_ten_seconds_is_missed)
{
	begin();
	cr_expect_eq(play(5, 1, true, true), CONTENT_GOOD);
	cr_expect_eq(play(9, 1, false, true), CONTENT_GOOD);
	cr_expect_eq(play(1, 1, false, true), CONTENT_NO_PICTURE);
	cr_expect_eq(play(1, 1, true, true), CONTENT_GOOD, "it is back");
	cr_expect_eq(play(10, 1, true, false), CONTENT_NO_SOUND);
}

/* Its PMT may say so. */
Test(gone_watch, a_stream_that_the_programme_drops_is_missed)
{
	begin();
	cr_expect_eq(play(5, 1, true, true), CONTENT_GOOD);
	parse.streams[0] = parse.streams[1];
	parse.stream_count = 1;
	for (unsigned i = 0; i < 10; i++) {
		now_us += SECOND_US;
		parse.streams[0].last_pts_90k += TS_HZ;
		gone_watch_streams(&w, &parse, now_us);
	}
	cr_expect_eq(gone_watch_verdict(&w, now_us), CONTENT_NO_PICTURE);
}

Test(gone_watch, what_never_came_is_not_missed)
{
	begin();
	cr_expect_eq(play(30, 1, false, true), CONTENT_GOOD);
	begin();
	cr_expect_eq(play(30, 1, true, false), CONTENT_GOOD);
}

Test(gone_watch, silence_of_both_is_not_its_business)
{
	begin();
	cr_expect_eq(play(5, 1, true, true), CONTENT_GOOD);
	cr_expect_eq(play(30, 1, false, false), CONTENT_GOOD);
}

/* In each burst the picture comes before the sound, and that before the next picture. */
Test(gone_watch, long_bursts_are_not_missed)
{
	begin();
	cr_expect_eq(play(60, 12, true, true), CONTENT_GOOD);
}

Test(gone_watch, a_jump_of_the_times_is_not_missed)
{
	begin();
	cr_expect_eq(play(5, 1, true, true), CONTENT_GOOD);
	parse.streams[1].last_pts_90k += 3600 * TS_HZ;
	now_us += SECOND_US / 25;
	gone_watch_streams(&w, &parse, now_us);
	cr_expect_eq(gone_watch_verdict(&w, now_us), CONTENT_GOOD);
}
