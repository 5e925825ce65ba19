#include "unit.h"

#include "amps-transcoder/mux/remux_clock.h"

#define SECOND 90000
#define FRAME  3600

/* A stream's packet at `at`; where it is placed, counted from the beginning of our timeline. */
static int64_t place(struct remux_clock *c, struct remux_track *t, int64_t at)
{
	int64_t dts = at, pts = at;

	remux_clock_place(c, true, true, FRAME, t, &dts, &pts);
	cr_assert_eq(pts, dts);
	return dts - REMUX_START_90K;
}

/* The same of a subtitle that stays for five seconds. */
static int64_t place_text(struct remux_clock *c, struct remux_track *t, int64_t at)
{
	int64_t dts = at, pts = at;

	remux_clock_place(c, true, false, 5 * SECOND, t, &dts, &pts);
	return dts - REMUX_START_90K;
}

static void play(struct remux_clock *c, struct remux_track *t, int64_t from, int64_t to)
{
	for (int64_t at = from; at < to; at += FRAME)
		place(c, t, at);
}

Test(remux_clock, a_long_jump_is_removed)
{
	struct remux_clock c;
	struct remux_track video = REMUX_TRACK_NEW;

	remux_clock_init(&c);
	play(&c, &video, SECOND, 3 * SECOND);
	cr_assert_eq(place(&c, &video, 500 * SECOND), 2 * SECOND);
	cr_assert_eq(place(&c, &video, 500 * SECOND + FRAME), 2 * SECOND + FRAME);
}

Test(remux_clock, a_short_step_back_is_a_jump)
{
	struct remux_clock c;
	struct remux_track video = REMUX_TRACK_NEW, sound = REMUX_TRACK_NEW;

	remux_clock_init(&c);
	for (int64_t at = SECOND; at < 9 * SECOND; at += FRAME) {
		place(&c, &video, at);
		place(&c, &sound, at);
	}
	cr_assert_eq(place(&c, &video, SECOND), 8 * SECOND);
	/* the sound of the old film comes late, then that of the new one */
	cr_assert_eq(place(&c, &sound, 9 * SECOND), 8 * SECOND);
	cr_assert_eq(place(&c, &video, SECOND + FRAME), 8 * SECOND + FRAME);
	cr_assert_eq(place(&c, &sound, SECOND + FRAME), 8 * SECOND + FRAME);
	cr_assert_eq(place(&c, &video, SECOND + 2 * FRAME), 8 * SECOND + 2 * FRAME);
}

Test(remux_clock, a_gap_is_kept)
{
	struct remux_clock c;
	struct remux_track video = REMUX_TRACK_NEW;

	remux_clock_init(&c);
	play(&c, &video, SECOND, 2 * SECOND);
	cr_assert_eq(place(&c, &video, 5 * SECOND), 4 * SECOND);
}

Test(remux_clock, imprecise_times_are_no_jump)
{
	struct remux_clock c;
	struct remux_track video = REMUX_TRACK_NEW;

	remux_clock_init(&c);
	play(&c, &video, SECOND, 3 * SECOND);
	cr_assert_eq(place(&c, &video, 3 * SECOND - SECOND / 4), 2 * SECOND - FRAME + 1);
	cr_assert_eq(place(&c, &video, 3 * SECOND), 2 * SECOND);
}

Test(remux_clock, subtitles_follow_the_new_timeline)
{
	struct remux_clock c;
	struct remux_track video = REMUX_TRACK_NEW, text = REMUX_TRACK_NEW;

	remux_clock_init(&c);
	place_text(&c, &text, SECOND);
	play(&c, &video, SECOND, 9 * SECOND);
	play(&c, &video, SECOND, 6 * SECOND);
	cr_assert_eq(place_text(&c, &text, 6 * SECOND), 13 * SECOND);
}

Test(remux_clock, moving_a_dts_does_not_move_the_picture)
{
	struct remux_clock c;
	struct remux_track last = REMUX_TRACK_NEW;
	int64_t dts = 0, pts = 2 * FRAME;

	remux_clock_init(&c);
	remux_clock_place(&c, false, true, FRAME, &last, &dts, &pts);
	cr_assert_eq(dts, REMUX_START_90K);
	cr_assert_eq(pts, REMUX_START_90K + 2 * FRAME);
	dts = -FRAME;
	pts = FRAME;
	remux_clock_place(&c, false, true, FRAME, &last, &dts, &pts);
	cr_assert_eq(dts, REMUX_START_90K + 1);
	cr_assert_eq(pts, REMUX_START_90K + FRAME);
}

Test(remux_clock, an_impossible_duration_leaves_no_gap)
{
	struct remux_clock c;
	struct remux_track last = REMUX_TRACK_NEW;
	int64_t dts = 0, pts = 0;

	remux_clock_init(&c);
	remux_clock_place(&c, false, true, INT64_MAX / 2, &last, &dts, &pts);
	remux_clock_repeat(&c, remux_track_repeat(&last, TIME_NONE));
	dts = pts = 0;
	remux_clock_place(&c, false, true, FRAME, &last, &dts, &pts);
	cr_assert_leq(dts, REMUX_START_90K + 10 * SECOND);
}

/* A round of a film whose pictures begin 2 frames behind their decoding and whose sound begins
 * `early` before them and lasts `longer` than them. */
static void play_round(struct remux_clock *c, struct remux_track *video, struct remux_track *sound,
		       int64_t early, int64_t longer)
{
	for (int64_t at = 0; at < SECOND; at += FRAME) {
		int64_t dts = at - 2 * FRAME, pts = at, sound_dts = at - early,
			sound_pts = at - early;

		remux_clock_place(c, false, true, FRAME, video, &dts, &pts);
		remux_clock_place(c, false, true, FRAME + (at + FRAME == SECOND ? longer : 0),
				  sound, &sound_dts, &sound_pts);
	}
}

Test(remux_clock, a_loop_leaves_no_gap_between_its_rounds)
{
	static const int64_t longer[] = {0, 1000};

	for (size_t i = 0; i < array_size(longer); i++) {
		struct remux_track video = REMUX_TRACK_NEW, sound = REMUX_TRACK_NEW;
		struct remux_clock c;
		int64_t end, begin;

		remux_clock_init(&c);
		play_round(&c, &video, &sound, 1920, longer[i]);
		for (int round = 0; round < 3; round++) {
			end = sound.end_90k;
			begin = video.end_90k;
			remux_clock_repeat(
				&c,
				remux_track_repeat(&sound, remux_track_repeat(&video, TIME_NONE)));
			play_round(&c, &video, &sound, 1920, longer[i]);
			cr_assert_eq(sound.begin_90k, end);
			cr_assert_eq(video.begin_90k, begin + longer[i]);
		}
	}
}

Test(remux_clock, a_new_source_continues_at_the_frontier)
{
	struct remux_track video = REMUX_TRACK_NEW;
	struct remux_clock c;

	remux_clock_init(&c);
	play(&c, &video, SECOND, 3 * SECOND);
	remux_clock_repeat(&c, remux_track_repeat(&video, TIME_NONE));
	cr_assert_eq(place(&c, &video, 77 * SECOND), 2 * SECOND);
}

Test(remux_clock, a_subtitle_does_not_move_the_clock)
{
	struct remux_clock c;
	struct remux_track video = REMUX_TRACK_NEW, text = REMUX_TRACK_NEW;

	remux_clock_init(&c);
	play(&c, &video, SECOND, 3 * SECOND);
	/* far ahead of the pictures */
	cr_assert_eq(place_text(&c, &text, 15 * SECOND), 14 * SECOND);
	cr_assert_eq(place(&c, &video, 3 * SECOND), 2 * SECOND);
	cr_assert_eq(c.jumps, 0);
}

Test(remux_clock, a_loop_that_begins_with_a_subtitle_leaves_no_gap)
{
	struct remux_clock c;
	struct remux_track video = REMUX_TRACK_NEW, text = REMUX_TRACK_NEW;

	remux_clock_init(&c);
	play(&c, &video, SECOND, 3 * SECOND);
	place_text(&c, &text, 3 * SECOND - FRAME);
	remux_clock_repeat(&c, remux_track_repeat(&video, TIME_NONE));
	cr_assert_eq(place_text(&c, &text, SECOND + SECOND / 2), 2 * SECOND + SECOND / 2);
	cr_assert_eq(place(&c, &video, SECOND), 2 * SECOND);
}

Test(remux_clock, packets_of_one_stream_with_equal_times_are_put_in_order)
{
	struct remux_clock c;
	struct remux_track video = REMUX_TRACK_NEW;

	remux_clock_init(&c);
	cr_assert_eq(place(&c, &video, SECOND), 0);
	cr_assert_eq(place(&c, &video, SECOND), 1);
	cr_assert_eq(place(&c, &video, SECOND), 2);
}
