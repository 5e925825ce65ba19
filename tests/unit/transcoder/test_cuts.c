/* test_cuts.c - where segments begin: durations, numbers, discontinuities, several variants. */
#include "unit.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/segment/cuts.h"
#include "common/clock.h"

#define HZ   90000
#define WALL 1800000000000000ll

static struct cuts cold(int64_t segment_s)
{
	struct cuts c;

	cuts_init(&c, WALL, 3, 0);
	c.segment_90k = segment_s * HZ;
	return c;
}

static struct cut_track fresh(void)
{
	return (struct cut_track){.access_90k = TIME_NONE};
}

/* An earlier job's track had this newest segment, and nothing of it that counts. */
static void adopt(struct cuts *c, uint32_t number, uint32_t discontinuity, uint32_t target_s)
{
	struct cut_track t = {.begun = true,
			      .number = number,
			      .discontinuity = discontinuity,
			      .end_90k = -3600ll * HZ};

	cuts_adopt(c, &t, target_s);
}

/* Access points at these seconds: the times at which segments begin, as a text. */
static void run(struct cuts *c, struct cut_track *t, double from, double step, double to,
		char *text)
{
	*text = '\0';
	for (double at = from; at <= to; at += step) {
		int64_t pts_90k = (int64_t)(at * HZ + .5);

		if (cuts_next(c, t, pts_90k, true))
			snprintf(text + strlen(text), 16, "%g ", at);
	}
}

/* Pictures between access points: how many pass before the segment ends. */
static unsigned pictures(struct cuts *c, struct cut_track *t, double from, double to)
{
	for (double at = from; at <= to + .001; at += .04)
		if (cuts_next(c, t, (int64_t)(at * HZ + .5), false))
			return (unsigned)((at - from) / .04 + .5);
	return UINT_MAX;
}

/* Two variants begin at the same time. */
static void start_both(struct cuts *c, struct cut_track *a, struct cut_track *b)
{
	cr_assert_not_null(cuts_start(c, a, 0, WALL));
	cr_assert_not_null(cuts_start(c, b, 0, WALL));
}

/* Both begin a segment at this access point. */
static void next_both(struct cuts *c, struct cut_track *a, struct cut_track *b, int64_t pts_90k)
{
	cr_assert_not_null(cuts_next(c, a, pts_90k, true));
	cr_assert_not_null(cuts_next(c, b, pts_90k, true));
}

Test(cuts, a_cold_start_begins_with_short_segments)
{
	struct cuts c = cold(4);
	struct cut_track t = fresh();
	char text[256];
	uint32_t first;

	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	first = t.number;
	run(&c, &t, 1, 1, 20, text);
	cr_expect_str_eq(text, "1 2 3 7 11 15 19 ");
	cr_expect_eq(c.target_s, 4);
	cr_expect_eq(t.number, first + 7);
	cr_expect_eq(first, (uint32_t)((WALL / 1000 - 1735689600000) / 250));
}

/* Ten a second are more than any track makes. */
Test(cuts, numbers_of_parts_are_above_those_of_earlier_tracks)
{
	struct cuts c = cold(4);
	uint32_t first = cuts_first_part(&c, WALL);

	cr_expect_eq(cuts_first_part(&c, WALL + 60000000), first + 600);
	c.part = first + 30;
	cr_expect_eq(cuts_first_part(&c, WALL + 1000000), first + 31);
	c.part = 0;
	cr_expect_eq(cuts_first_part(&c, 0), 1, "a clock that is wrong");
	cr_expect_eq(cuts_first_part(&c, INT64_MAX), UINT32_MAX / 2);
}

Test(cuts, a_segment_does_not_outlast_the_target_duration)
{
	struct cuts c = cold(4);
	struct cut_track t = fresh();
	char text[256];

	/* two access points would last 6 s */
	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	run(&c, &t, 3, 3, 18, text);
	cr_expect_str_eq(text, "3 6 9 12 15 18 ");
	cr_expect_eq(c.target_s, 4);
}

Test(cuts, an_access_point_is_taken_if_the_next_one_may_come_too_late)
{
	struct cuts c = cold(4);
	struct cut_track t = fresh();

	adopt(&c, 100, 7, 4);
	c.gop_90k = 2 * HZ;
	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	/* key frames come at 0.3 s and each two seconds behind that: the third one, at 4.3 s, would
	 * be too late */
	cr_assert_null(cuts_next(&c, &t, HZ * 3 / 10, true));
	cr_assert_not_null(cuts_next(&c, &t, HZ * 23 / 10, true));
	cr_assert_null(cuts_next(&c, &t, HZ * 43 / 10, true));
	cr_assert_not_null(cuts_next(&c, &t, HZ * 63 / 10, true));
}

Test(cuts, a_long_group_does_not_shorten_segments_for_ever)
{
	struct cuts c = cold(4);
	struct cut_track t = fresh();
	char text[512];

	adopt(&c, 100, 7, 4);
	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	/* one group of 6 s, in the middle of which a segment ends; the rest last one second */
	cr_assert_not_null(cuts_next(&c, &t, 4 * HZ, false));
	cuts_next(&c, &t, 6 * HZ, true);
	run(&c, &t, 7, 1, 40, text);
	cr_expect(strstr(text, " 21 25 29 33 37 "), "%s", text);
}

Test(cuts, the_first_distance_of_access_points_seals_the_target_duration)
{
	struct cuts c = cold(4);
	struct cut_track t = fresh();
	char text[256];

	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	run(&c, &t, 5.76, 5.76, 24, text);
	cr_expect_str_eq(text, "5.76 11.52 17.28 23.04 ");
	cr_expect_eq(c.target_s, 6, "rounded, not up: %u", c.target_s);
}

Test(cuts, a_remembered_distance_counts_from_the_start)
{
	struct cut_track t = fresh();
	struct cuts c;

	cuts_init(&c, WALL, 3, 8 * HZ);
	c.segment_90k = 4 * HZ;
	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	cr_assert_not_null(cuts_next(&c, &t, 2 * HZ, true));
	cr_expect_eq(c.target_s, 8);
}

Test(cuts, a_segment_ends_without_an_access_point_when_its_time_is_over)
{
	struct cuts c = cold(4);
	struct cut_track t = fresh();

	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	cr_assert_not_null(cuts_next(&c, &t, 2 * HZ, true));
	/* the duration counts rounded */
	cr_expect_eq(pictures(&c, &t, 5, 7), 37, "6.48");
	cr_expect_eq(c.target_s, 4);
}

Test(cuts, a_segment_of_slow_pictures_ends_before_it_would_be_too_long)
{
	struct cuts c = cold(4);
	struct cut_track t = fresh();

	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	cr_assert_not_null(cuts_next(&c, &t, 2 * HZ, true));
	cr_assert_null(cuts_next(&c, &t, 5.5 * HZ, false));
	cr_assert_not_null(cuts_next(&c, &t, 6 * HZ, false), "6.5 would round to 5 s");
}

Test(cuts, an_access_point_slightly_behind_the_target_duration_is_waited_for)
{
	struct cuts c = cold(1);
	struct cut_track t = fresh();
	char text[256];

	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	run(&c, &t, 1, 1, 5, text);
	/* the clock jumps within a group, which lasts longer by as much as its sound is late */
	cr_expect_eq(pictures(&c, &t, 5.04, 6.4), UINT_MAX);
	cr_expect_not_null(cuts_next(&c, &t, 6.44 * HZ, true));
	cr_expect_not(t.blind);
	cr_expect_eq(c.target_s, 1);
}

Test(cuts, a_segment_that_began_without_an_access_point_ends_at_the_next_one)
{
	struct cuts c = cold(1);
	struct cut_track t = fresh();
	char text[256];

	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	run(&c, &t, 1, 1, 5, text);
	cr_expect_str_eq(text, "1 2 3 4 5 ");
	/* the time leaps within a group of pictures, which are as long as the target duration */
	cr_expect_eq(pictures(&c, &t, 5.04, 7), 36, "6.48");
	cr_expect_not_null(cuts_next(&c, &t, 6.75 * HZ, true));
	for (int i = 1; i < 4; i++) {
		cr_expect_eq(pictures(&c, &t, i + 5.79, i + 6.71), UINT_MAX);
		cr_expect_not_null(cuts_next(&c, &t, (i + 6.75) * HZ, true));
	}
	/* one that began with one keeps the least duration */
	cr_expect_null(cuts_next(&c, &t, 10 * HZ, true));
}

Test(cuts, a_cold_start_waits_ten_seconds_for_the_second_access_point)
{
	struct cuts c = cold(4);
	struct cut_track t = fresh();

	cr_assert_not_null(cuts_start(&c, &t, 0, WALL));
	cr_assert_null(cuts_next(&c, &t, 10 * HZ - 1, false));
	cr_assert_not_null(cuts_next(&c, &t, 10 * HZ, false));
	cr_expect_eq(c.target_s, 10);
}

Test(cuts, variants_have_the_same_numbers)
{
	struct cuts c = cold(4);
	struct cut_track a = fresh(), b = fresh();
	const struct cut *cut;

	cr_assert_not_null(cuts_start(&c, &a, 0, WALL));
	cr_assert_not_null(cuts_next(&c, &a, 2 * HZ, true));
	cr_assert_not_null(cuts_next(&c, &a, 4 * HZ, true));
	/* earlier than everything: the next one */
	cr_assert_null(cuts_start(&c, &b, -2 * HZ, WALL));
	/* within the second segment */
	cut = cuts_start(&c, &b, 3 * HZ, WALL);
	cr_assert_not_null(cut);
	cr_expect_eq(cut->number, a.number - 1);
	cr_expect_eq(cut_wall_us(cut, 3 * HZ), WALL + 3000000);
	cr_expect_eq(b.discontinuity, a.discontinuity);
	cut = cuts_next(&c, &b, 4 * HZ, true);
	cr_assert_not_null(cut);
	cr_expect_eq(cut->number, a.number);
	/* b is ahead and decides; a follows, although its own rule would not cut there */
	cr_assert_not_null(cuts_next(&c, &b, 6 * HZ, true));
	cr_assert_null(cuts_next(&c, &a, 5 * HZ, true));
	cr_assert_not_null(cuts_next(&c, &a, 6 * HZ, true));
	cr_expect_eq(a.number, b.number);
}

Test(cuts, a_variant_that_is_behind_does_not_cut_where_another_did_not)
{
	struct cuts c = cold(2);
	struct cut_track a = fresh(), b = fresh();

	adopt(&c, 100, 7, 2);
	start_both(&c, &a, &b);
	cr_assert_null(cuts_next(&c, &a, HZ, true));
	/* from now on each access point is taken */
	c.gop_90k = 2 * HZ;
	cr_expect_null(cuts_next(&c, &b, HZ, true), "the other has no cut there");
	cr_expect_not_null(cuts_next(&c, &a, 2 * HZ, true));
	cr_expect_not_null(cuts_next(&c, &b, 2 * HZ, true));
	cr_expect_eq(a.number, b.number);
	cr_expect_not_null(cuts_next(&c, &b, 3 * HZ, true), "no track was cut there before");
}

/* The job was killed when one track had begun a segment and the other had not. */
Test(cuts, a_track_that_lacks_the_newest_segment_of_an_earlier_job_makes_it)
{
	static const struct cut newest[] = {
		{.number = 99, .discontinuity = 7, .pts_90k = 8 * HZ, .wall_us = WALL},
		{.number = 100, .discontinuity = 7, .pts_90k = 10 * HZ, .wall_us = WALL + 2000000}};

	for (unsigned first = 0; first < 2; first++) {
		struct cuts c = cold(2);
		struct cut_track a = fresh(), b = fresh();

		for (unsigned i = 0; i < 2; i++) {
			const struct cut *x = &newest[(first + i) % 2];

			adopt(&c, x->number, x->discontinuity, 2);
			cuts_adopt_cut(&c, x);
		}
		a.begun = b.begun = true;
		a.discontinuity = b.discontinuity = 7;
		a.number = 100;
		b.number = 99;
		cr_assert_not_null(cuts_start(&c, &b, 10 * HZ, WALL));
		cr_expect_eq(b.number, 100);
		cr_assert_not_null(cuts_start(&c, &a, 11 * HZ, WALL));
		cr_expect_eq(a.number, 101);
		cr_assert_not_null(cuts_next(&c, &b, 11 * HZ, true));
		cr_expect_eq(b.number, 101);
		cr_expect(a.discontinuity == 8 && b.discontinuity == 8);
	}
}

Test(cuts, a_gap_of_one_variant_is_a_discontinuity_of_all)
{
	struct cuts c = cold(4);
	struct cut_track a = fresh(), b = fresh();
	uint32_t before;

	start_both(&c, &a, &b);
	next_both(&c, &a, &b, 2 * HZ);
	before = a.discontinuity;
	cr_expect_eq(b.discontinuity, before);
	/* a's source starts again */
	cr_assert_not_null(cuts_start(&c, &a, 5 * HZ, WALL + 7000000));
	cr_expect_eq(a.discontinuity, before + 1);
	cr_assert_not_null(cuts_next(&c, &b, 5 * HZ, true));
	cr_expect_eq(b.number, a.number);
	cr_expect_eq(b.discontinuity, before + 1);
}

Test(cuts, a_variant_that_begins_again_has_the_cuts_of_the_others)
{
	struct cuts c = cold(2);
	struct cut_track a = fresh(), b = fresh();

	adopt(&c, 100, 7, 2);
	start_both(&c, &a, &b);
	cr_assert_not_null(cuts_next(&c, &a, 2 * HZ, true));
	/* b's encoder ends at 1.3 s, and begins again where it stopped */
	cr_expect_null(cuts_start(&c, &b, 13 * HZ / 10, WALL));
	cr_assert_not_null(cuts_start(&c, &b, 2 * HZ, WALL));
	cr_expect_eq(b.number, a.number);
	cr_expect_eq(b.discontinuity, 8);
	next_both(&c, &a, &b, 4 * HZ);
	cr_expect_eq(b.number, a.number);
	cr_expect_eq(a.discontinuity, 8);
}

Test(cuts, a_variant_that_begins_again_does_not_cut_where_another_did_not)
{
	struct cuts c = cold(2);
	struct cut_track a = fresh(), b = fresh();

	adopt(&c, 100, 7, 2);
	start_both(&c, &a, &b);
	cr_assert_null(cuts_next(&c, &a, HZ, true));
	cr_expect_null(cuts_start(&c, &b, HZ * 9 / 10, WALL));
	cr_assert_not_null(cuts_next(&c, &a, 2 * HZ, true));
	cr_expect_eq(a.discontinuity, 8);
	cr_assert_not_null(cuts_start(&c, &b, 2 * HZ, WALL));
	cr_expect_eq(b.number, a.number);
	cr_expect_eq(b.discontinuity, 8);
}

Test(cuts, a_variant_does_not_wait_for_others_that_have_ended)
{
	struct cuts c = cold(2);
	struct cut_track a = fresh(), b = fresh();

	adopt(&c, 100, 7, 2);
	start_both(&c, &a, &b);
	cr_assert_null(cuts_next(&c, &a, HZ, true));
	cr_expect_null(cuts_start(&c, &b, HZ * 9 / 10, WALL));
	cr_assert_not_null(cuts_start(&c, &b, HZ * 11 / 10, WALL));
	cr_expect_eq(b.number, a.number + 1);
	cr_expect_eq(b.discontinuity, 8);
}

Test(cuts, numbers_go_on_behind_an_earlier_job)
{
	struct cuts c = cold(4);
	struct cut_track a = {
		.begun = true, .number = 100, .discontinuity = 7, .access_90k = TIME_NONE};
	struct cut_track b = {
		.begun = true, .number = 99, .discontinuity = 7, .access_90k = TIME_NONE};

	adopt(&c, 100, 7, 5);
	adopt(&c, 99, 7, 5);
	cr_assert_not_null(cuts_start(&c, &b, 8 * HZ, WALL));
	cr_expect_eq(b.number, 100, "the one that it lacks");
	cr_expect_eq(b.discontinuity, 8);
	cr_assert_not_null(cuts_next(&c, &b, 9 * HZ, true));
	cr_expect_eq(b.number, 101);
	cr_expect_eq(b.discontinuity, 8);
	cr_assert_not_null(cuts_start(&c, &a, 8 * HZ, WALL));
	cr_expect_eq(a.number, 101);
	cr_expect_eq(a.discontinuity, 8);
	/* the sealed duration stays, and no segment is short again */
	cr_assert_null(cuts_next(&c, &a, 10 * HZ, true));
	cr_assert_not_null(cuts_next(&c, &a, 12 * HZ, true));
	cr_expect_eq(c.target_s, 5);
}

/* The index of one track may come when another track has begun. */
Test(cuts, an_earlier_job_is_adopted_after_the_first_cut)
{
	struct cuts c = cold(1);
	struct cut_track a = fresh(), b = fresh();
	uint32_t first;

	cr_assert_not_null(cuts_start(&c, &a, 0, WALL));
	first = a.number;
	adopt(&c, 100, 7, 5);
	b = (struct cut_track){
		.begun = true, .number = 100, .discontinuity = 7, .access_90k = TIME_NONE};
	cr_assert_not_null(cuts_next(&c, &a, 1 * HZ, true));
	cr_expect_eq(a.number, first + 1, "numbers do not go back");
	cr_assert_not_null(cuts_start(&c, &b, 1 * HZ, WALL));
	cr_expect_eq(b.number, a.number);
	/* nor do those of the other track, where the clock was wrong */
	adopt(&c, first + 1000, 7, 5);
	cr_assert_not_null(cuts_next(&c, &a, 2 * HZ, true));
	cr_expect_eq(a.number, first + 1000);
	cr_assert_not_null(cuts_next(&c, &a, 3 * HZ, true));
	cr_expect_eq(a.number, first + 1001);
	cr_assert_not_null(cuts_next(&c, &b, 3 * HZ, true));
	cr_expect_geq(b.number, first + 1000);
}

/* A playlist has no hole in its numbers: what came before it would be lost with it. */
Test(cuts, a_track_that_lacks_one_number_has_a_short_segment_of_it)
{
	struct cuts c = cold(2);
	struct cut_track pictures = fresh(), sound = fresh();
	const struct cut *cut, *other;
	uint32_t first;

	cr_assert_not_null(cuts_start(&c, &pictures, 0, WALL));
	cr_assert_not_null(cuts_start(&c, &sound, 0, WALL));
	first = sound.number;
	/* the source breaks off with the first picture of a segment, and begins with new times */
	cr_assert_not_null(cuts_next(&c, &pictures, 2 * HZ, true));
	cut = cuts_start(&c, &pictures, 500 * HZ, WALL + 3000000);
	cr_assert_not_null(cut);
	cr_expect_eq(cut->number, first + 2);
	other = cuts_start(&c, &sound, 500 * HZ, WALL + 3000000);
	cr_assert_not_null(other);
	cr_expect(sound.fills);
	cr_expect_eq(other->number, first + 1);
	cr_expect_eq(cut_wall_us(other, 500 * HZ), WALL + 3000000);
	cr_expect_eq(sound.discontinuity, pictures.discontinuity);
	/* each frame of sound is an access point */
	other = cuts_next(&c, &sound, 500 * HZ + 1920, true);
	cr_expect_eq(other, cut);
	cr_expect_not(sound.fills);
	cr_expect_eq(sound.discontinuity, pictures.discontinuity);
	/* from there on both have the same */
	cr_assert_not_null(cuts_next(&c, &pictures, 502 * HZ, true));
	cr_assert_not_null(cuts_next(&c, &sound, 502 * HZ, true));
	cr_expect_eq(sound.number, pictures.number);
	cr_expect_eq(sound.discontinuity, pictures.discontinuity);
}

Test(cuts, a_variant_that_stopped_for_long_goes_on_with_what_is_left)
{
	struct cuts c = cold(1);
	struct cut_track a = fresh(), b = fresh();

	start_both(&c, &a, &b);
	for (int64_t s = 1; s <= 200; s++)
		cr_assert_not_null(cuts_next(&c, &a, s * HZ, true));
	cr_assert_not_null(cuts_next(&c, &b, 200 * HZ, true));
	cr_expect_eq(b.number, a.number - CUTS_KEPT + 1);
}

/* Sound is behind the pictures, so a job often ends when only they have the newest segment. */
Test(cuts, what_one_track_lacked_when_the_job_ended_is_no_discontinuity)
{
	struct cut_track t = {.begun = true,
			      .number = 41,
			      .discontinuity = 3,
			      .access_90k = TIME_NONE,
			      .whole = true,
			      .end_90k = 10 * HZ};
	struct cut_track broken = t;
	struct cuts c;
	const struct cut *cut;

	cuts_init(&c, WALL, 0, 0);
	adopt(&c, 42, 3, 2);
	cuts_adopt_cut(
		&c, &(struct cut){
			    .number = 42, .discontinuity = 3, .pts_90k = 10 * HZ, .wall_us = WALL});
	cut = cuts_start(&c, &t, 10 * HZ + 1000, WALL);
	cr_assert_not_null(cut);
	cr_expect_eq(cut->number, 42);
	cr_expect_eq(t.discontinuity, 3);
	/* one that lost something has a break there */
	broken.end_90k = 9 * HZ;
	cut = cuts_start(&c, &broken, 10 * HZ + 1000, WALL);
	cr_assert_not_null(cut);
	cr_expect_eq(cut->number, 42);
	cr_expect_eq(broken.discontinuity, 4);
}

/* ---------- jobs that are killed ---------- */

#define FRAMES_S   25
#define FRAME_90K  (HZ / FRAMES_S)
#define PART_90K   (5 * FRAME_90K)
#define NUMBERS	   256
#define RING_S	   10
#define FILM_TICKS 100 /* of a job, at most */

/* A variant with an access point each second, in segments with parts. */
struct variant {
	struct cut_track cut;
	int64_t at,
		lag; /* the next picture that it reads; how far its ring is behind, in pictures */
	int64_t resume_90k, start_90k, end_90k;
	bool writing;
	int64_t starts_90k[NUMBERS]; /* by number; TIME_NONE */
	uint32_t discontinuities[NUMBERS];
	uint32_t first; /* number of the channel's first segment */
};

static struct variant variant_new(uint32_t first, int64_t lag)
{
	struct variant v = {.cut = fresh(), .lag = lag, .resume_90k = TIME_NONE, .first = first};

	for (unsigned i = 0; i < NUMBERS; i++)
		v.starts_90k[i] = TIME_NONE;
	return v;
}

static void variant_begin(struct variant *v, const struct cut *cut, int64_t pts_90k)
{
	uint32_t at = cut->number - v->first;

	cr_assert_lt(at, NUMBERS);
	cr_expect(at == 0 || v->starts_90k[0] == TIME_NONE || v->starts_90k[at - 1] != TIME_NONE,
		  "a hole before %u", at);
	v->starts_90k[at] = v->start_90k = pts_90k;
	v->discontinuities[at] = v->cut.discontinuity;
	v->writing = true;
}

/* Reads up to `most` pictures of those that the ring has at this time. */
static void variant_read(struct variant *v, struct cuts *c, int64_t head, unsigned most)
{
	for (; most > 0 && v->at < head - v->lag; most--, v->at++) {
		int64_t pts_90k = v->at * FRAME_90K;
		bool access = v->at % FRAMES_S == 0;
		const struct cut *cut = NULL;

		if (v->writing)
			cut = cuts_next(c, &v->cut, pts_90k, access);
		else if (access && (v->resume_90k == TIME_NONE || pts_90k >= v->resume_90k))
			cut = cuts_start(c, &v->cut, pts_90k, WALL + pts_90k * 100 / 9);
		if (cut)
			variant_begin(v, cut, pts_90k);
		v->end_90k = pts_90k + FRAME_90K;
	}
}

/* The job is killed: what is left are whole parts. */
static void variant_stop(struct variant *v)
{
	uint32_t at = v->cut.number - v->first;
	int64_t listed_90k = (v->end_90k - v->start_90k) / PART_90K * PART_90K;

	v->writing = false;
	v->resume_90k = v->start_90k + listed_90k;
	v->cut.whole = listed_90k == 0;
	if (listed_90k == 0) {
		v->starts_90k[at--] = TIME_NONE;
		v->cut.number--;
	}
	v->cut.discontinuity = v->discontinuities[at];
	v->cut.access_90k = TIME_NONE;
	v->cut.end_90k = v->resume_90k;
}

/* Another job goes on, from the oldest access point of the ring. */
static void variant_adopt(struct variant *v, struct cuts *c, int64_t head)
{
	int64_t oldest = MAX(head - v->lag - RING_S * FRAMES_S, 0);
	uint32_t at = v->cut.number - v->first;

	v->at = (oldest + FRAMES_S - 1) / FRAMES_S * FRAMES_S;
	cuts_adopt(c, &v->cut, 2);
	do {
		cuts_adopt_cut(c, &(struct cut){.number = v->first + at,
						.discontinuity = v->discontinuities[at],
						.pts_90k = v->starts_90k[at],
						.wall_us = WALL + v->starts_90k[at] * 100 / 9});
	} while (at-- > 0 && v->starts_90k[at] != TIME_NONE);
}

static void run_job(struct cuts *c, struct variant v[2], int64_t *head)
{
	for (unsigned i = 0; i < FILM_TICKS; i++) {
		unsigned first = (unsigned)rand() % 2;

		variant_read(&v[first], c, *head, 1 + (unsigned)rand() % 40);
		variant_read(&v[1 - first], c, *head, 1 + (unsigned)rand() % 40);
		*head += rand() % 6;
	}
}

/* One that broke off is a discontinuity ahead in the segments that the other had begun already: up
 * to two seconds of them. */
static void compare(const struct variant v[2], unsigned seed)
{
	unsigned apart = 0;

	for (unsigned i = 0; i < NUMBERS; i++) {
		uint32_t a = v[0].discontinuities[i], b = v[1].discontinuities[i];

		if (v[0].starts_90k[i] == TIME_NONE || v[1].starts_90k[i] == TIME_NONE)
			continue;
		cr_assert_eq(v[0].starts_90k[i], v[1].starts_90k[i],
			     "seed %u: %u begins at %g and %g", seed, i,
			     (double)v[0].starts_90k[i] / HZ, (double)v[1].starts_90k[i] / HZ);
		apart = a == b ? 0 : apart + 1;
		cr_assert(apart <= 3 && MAX(a, b) - MIN(a, b) <= 1,
			  "seed %u: %u has discontinuities %u and %u", seed, i, a, b);
	}
}

/* Segments of one or two groups, as after a long group; one variant is up to two seconds behind. */
Test(cuts, variants_have_the_same_numbers_whenever_jobs_are_killed)
{
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct cuts c = cold(2);
		struct variant v[2] = {variant_new(c.next, 0), variant_new(c.next, (int)seed % 50)};
		int64_t head = 0;

		srand(seed);
		for (unsigned jobs = 0; jobs < 4; jobs++) {
			unsigned first = (unsigned)rand() % 2;

			c.gop_90k = 198 * HZ / 100;
			run_job(&c, v, &head);
			variant_stop(&v[0]);
			variant_stop(&v[1]);
			c = cold(2);
			variant_adopt(&v[first], &c, head);
			variant_adopt(&v[1 - first], &c, head);
		}
		compare(v, seed);
	}
}
