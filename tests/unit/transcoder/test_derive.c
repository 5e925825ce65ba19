#include "derive_harness.h"

/* NAME and ARGUMENTS of a film of so many pixels and bits. */
#define FILM(name, size, bits)                                                                     \
	name, "-f lavfi -i testsrc2=size=" size ":rate=25 -f lavfi -i "                            \
	      "sine=frequency=440:sample_rate=48000 -t 8 -c:v libx264 -preset ultrafast -bf 2 "    \
	      "-g 50 -b:v " bits " -pix_fmt yuv420p -c:a aac -b:a 96k"
#define SOURCE FILM("derive.ts", "318x180", "300k")
#define LARGE  FILM("derive-large.ts", "854x480", "1M")
#define SPEC   "{\"name\":\"Test channel\",\"ring_seconds\":10}"
#define RING   (8u << 20)
#define SECOND 90000

static void expect_clean(const struct seen *s)
{
	cr_expect_eq(s->cc_errors, 0, "%u", s->cc_errors);
	cr_expect_eq(s->backward, 0, "%u", s->backward);
	cr_expect_gt(s->frames, 0);
	cr_expect_gt(s->keys, 0);
}

Test(derive, two_variants_are_decoded_once_and_aligned)
{
	struct rig rig;
	struct seen hd, sd;
	size_t len;
	uint8_t *media = rig_media(SOURCE, &len);

	rig_start(&rig, derive_run, SPEC);
	rig_source(&rig, RING, false);
	rig_output_on(&rig, 0,
		      "[\"vcodec\",\"libx264\"],[\"preset\",\"veryfast\"],[\"b:v\",\"300k\"],"
		      "[\"acodec\",\"aac\"],[\"b:a\",\"96k\"]",
		      RING, TIME_NONE);
	rig_output_on(&rig, 1,
		      "[\"vcodec\",\"libx264\"],[\"preset\",\"fast\"],[\"vf\","
		      "\"scale=-1:100\"],[\"b:v\",\"100k\"],[\"acodec\",\"aac\"],"
		      "[\"ar\",\"44100\"]",
		      RING, TIME_NONE);
	rig_feed(&rig, media, len);
	cr_assert(rig_await_media(&rig, 0, 6 * SECOND), "%s", rig.text);
	cr_assert(rig_await_media(&rig, 1, 6 * SECOND), "%s", rig.text);
	rig_see(&rig, 0, &hd);
	rig_see(&rig, 1, &sd);
	cr_expect_eq(rig_stop(&rig), 0);
	expect_clean(&hd);
	expect_clean(&sd);
	cr_expect_eq(hd.width, 318);
	cr_expect_eq(sd.height, 100);
	cr_expect_eq(sd.width, 176, "177 made even: %d", sd.width);
	cr_expect_eq(sd.sample_rate, 44100);
	cr_expect_geq(hd.keys, 3);
	expect_aligned(&hd, &sd);
	expect_aligned(&sd, &hd);
	free(media);
}

Test(derive, copied_video_with_encoded_sound)
{
	struct rig rig;
	struct seen s;
	size_t len;
	uint8_t *media = rig_media(SOURCE, &len);

	rig_start(&rig, derive_run, SPEC);
	rig_source(&rig, RING, false);
	rig_output_on(&rig, 0, "[\"vcodec\",\"copy\"],[\"acodec\",\"aac\"],[\"ac\",\"1\"]", RING,
		      TIME_NONE);
	rig_output_on(&rig, 1,
		      "[\"c\",\"copy\"],[\"an\",null],[\"metadata\",\"service_name=Other\"]", RING,
		      TIME_NONE);
	rig_output_on(&rig, 2, "[\"vn\",null],[\"acodec\",\"copy\"]", RING, TIME_NONE);
	rig_feed(&rig, media, len);
	cr_assert(rig_await_media(&rig, 0, 6 * SECOND), "%s", rig.text);
	cr_assert(rig_await_media(&rig, 1, 6 * SECOND), "%s", rig.text);
	cr_assert(rig_await_media(&rig, 2, 6 * SECOND), "%s", rig.text);
	rig_see(&rig, 0, &s);
	expect_clean(&s);
	cr_expect_gt(s.packets[1], 200);
	rig_see(&rig, 1, &s);
	expect_clean(&s);
	cr_expect_eq(s.packets[1], 0);
	rig_see(&rig, 2, &s);
	cr_expect_eq(s.packets[0], 0);
	cr_expect_gt(s.packets[1], 200);
	cr_expect_eq(s.cc_errors, 0);
	cr_expect_eq(rig_stop(&rig), 0);
	free(media);
}

Test(derive, outputs_can_be_added_and_removed)
{
	struct rig rig;
	struct seen s;
	size_t len, half;
	uint8_t *media = rig_media(SOURCE, &len);

	half = len / 2 / TS_PACKET * TS_PACKET;
	rig_start(&rig, derive_run, SPEC);
	rig_output_on(&rig, 0, "[\"preset\",\"ultrafast\"]", RING, TIME_NONE);
	rig_source(&rig, RING, false);
	rig_feed(&rig, media, half);
	cr_assert(rig_await(&rig, &rig.outputs[0].running), "%s", rig.text);
	rig_output_on(&rig, 1, "[\"preset\",\"ultrafast\"],[\"r\",\"10\"]", RING, TIME_NONE);
	cr_assert(rig_await(&rig, &rig.outputs[1].mapped), "%s", rig.text);
	rig_output_off(&rig, 0);
	rig_feed(&rig, media + half, len - half);
	cr_assert(rig_await(&rig, &rig.outputs[1].running), "%s", rig.text);
	cr_assert(rig_await_media(&rig, 1, SECOND));
	rig_see(&rig, 1, &s);
	expect_clean(&s);
	cr_expect_eq(s.rate.num, 10);
	cr_expect_eq(rig_stop(&rig), 0);
	free(media);
}

Test(derive, a_new_output_starts_with_the_media_in_the_ring)
{
	struct rig rig;
	struct seen a, b;
	size_t len, half;
	uint8_t *media = rig_media(SOURCE, &len);

	half = len / 2 / TS_PACKET * TS_PACKET;
	rig_start(&rig, derive_run, SPEC);
	rig_output_on(&rig, 0, "[\"preset\",\"veryfast\"]", RING, TIME_NONE);
	rig_source(&rig, RING, false);
	rig_feed(&rig, media, half);
	cr_assert(rig_await_media(&rig, 0, 2 * SECOND), "%s", rig.text);
	/* no byte comes meanwhile */
	rig_output_on(&rig, 1, "[\"preset\",\"veryfast\"],[\"s\",\"160x90\"]", RING, TIME_NONE);
	cr_assert(rig_await(&rig, &rig.outputs[1].running), "%s", rig.text);
	rig_feed(&rig, media + half, len - half);
	cr_assert(rig_await_media(&rig, 0, 7 * SECOND), "%s", rig.text);
	cr_assert(rig_await_media(&rig, 1, 6 * SECOND), "%s", rig.text);
	rig_see(&rig, 0, &a);
	rig_see(&rig, 1, &b);
	cr_expect_eq(rig_stop(&rig), 0);
	expect_clean(&a);
	expect_clean(&b);
	expect_aligned(&a, &b);
	/* nothing twice, nothing left out */
	cr_expect_leq(llabs((a.last_pts[0] - a.first_pts[0]) / 3600 + 1 - a.packets[0]), 2,
		      "%u pictures", a.packets[0]);
	free(media);
}

Test(derive, an_output_continues_with_a_new_source_ring)
{
	struct rig rig;
	struct seen s;
	size_t len;
	uint8_t *media = rig_media(SOURCE, &len);
	int64_t before;

	rig_start(&rig, derive_run, SPEC);
	rig_output_on(&rig, 0, "[\"preset\",\"ultrafast\"]", RING, TIME_NONE);
	rig_source(&rig, RING, false);
	rig_feed(&rig, media, len);
	cr_assert(rig_await_media(&rig, 0, 6 * SECOND), "%s", rig.text);
	before = ring_frontier_90k(&rig.outputs[0].ring);
	/* the same times again: a source that was restarted and knows nothing of the past */
	rig_source(&rig, RING, false);
	rig_feed(&rig, media, len);
	cr_assert(rig_await_media(&rig, 0, 12 * SECOND), "%s", rig.text);
	cr_expect_gt(ring_frontier_90k(&rig.outputs[0].ring), before + 4 * SECOND);
	rig_see(&rig, 0, &s);
	expect_clean(&s);
	cr_expect_eq(rig_stop(&rig), 0);
	free(media);
}

/* Where the first access point behind `from` begins. */
static size_t find_key(const uint8_t *bytes, size_t len, size_t from)
{
	struct ts_parse parse;
	struct ts_rap rap;

	ts_parse_init(&parse);
	for (size_t at = 0; at + TS_PACKET <= len; at += TS_PACKET)
		if ((ts_parse_packet(&parse, bytes + at, at, &rap) & TS_SAW_RAP) && rap.pos >= from)
			return rap.pos;
	return len;
}

Test(derive, a_larger_source_ring_causes_no_discontinuity)
{
	struct rig rig;
	struct seen s;
	size_t len, half;
	uint8_t *media = rig_media(SOURCE, &len);

	half = find_key(media, len, len / 2);
	rig_start(&rig, derive_run, SPEC);
	rig_output_on(&rig, 0, "[\"c\",\"copy\"],[\"metadata\",\"a=b\"]", RING, TIME_NONE);
	rig_source(&rig, RING, false);
	rig_feed(&rig, media, half);
	cr_assert(rig_await(&rig, &rig.outputs[0].running), "%s", rig.text);
	rig_source(&rig, 2 * RING, true);
	rig_feed(&rig, media + half, len - half);
	cr_assert(rig_await_media(&rig, 0, 4 * SECOND), "%s", rig.text);
	rig_see(&rig, 0, &s);
	expect_clean(&s);
	cr_expect_eq(rig_stop(&rig), 0);
	free(media);
}

Test(derive, outputs_end_with_the_last_picture_of_the_source)
{
	struct rig rig;
	struct seen s;
	size_t len;
	uint8_t *media = rig_media(SOURCE, &len);

	rig_start(&rig, derive_run, SPEC);
	rig_output_on(&rig, 0, "[\"preset\",\"ultrafast\"]", RING, TIME_NONE);
	rig_source(&rig, RING, false);
	rig_feed(&rig, media, len);
	ring_writer_ended(&rig.source);
	cr_assert(rig_await(&rig, &rig.ended), "%s", rig.text);
	cr_expect(ring_ended(&rig.outputs[0].ring));
	rig_see(&rig, 0, &s);
	expect_clean(&s);
	cr_expect_eq(s.packets[0], 8 * 25, "%u pictures", s.packets[0]);
	cr_expect_eq(rig_stop(&rig), 0);
	free(media);
}

Test(derive, an_output_continues_after_a_crash)
{
	struct rig rig;
	struct seen s;
	size_t len;
	uint8_t *media = rig_media(SOURCE, &len);

	rig_start(&rig, derive_run, SPEC);
	rig_output_on(&rig, 0, "[\"preset\",\"ultrafast\"]", RING, 1000 * SECOND);
	rig_source(&rig, RING, false);
	rig_feed(&rig, media, len);
	cr_assert(rig_await_media(&rig, 0, 4 * SECOND), "%s", rig.text);
	rig_see(&rig, 0, &s);
	expect_clean(&s);
	cr_expect_geq(s.first_pts[0], 1000 * SECOND);
	cr_expect_lt(s.first_pts[0], 1002 * SECOND);
	cr_expect_eq(rig_stop(&rig), 0);
	free(media);
}

Test(derive, a_lapped_reader_skips_ahead)
{
	struct rig rig;
	struct seen s;
	size_t len, at = 0;
	uint8_t *media = rig_media(LARGE, &len);

	rig_start(&rig, derive_run, SPEC);
	rig_output_on(&rig, 0, "[\"preset\",\"veryfast\"]", RING, TIME_NONE);
	rig_output_on(&rig, 1, "[\"c\",\"copy\"],[\"metadata\",\"a=b\"]", RING, TIME_NONE);
	/* the smallest ring, filled some ten times as fast as the source's own rate */
	rig_source(&rig, 1u << 20, false);
	for (unsigned round = 0; round < 4; round++)
		for (at = 0; at < len; at += 200 * TS_PACKET) {
			rig_feed(&rig, media + at, MIN(200 * TS_PACKET, len - at));
			rig_listen(&rig, 10);
		}
	cr_assert(rig_await(&rig, &rig.outputs[0].running), "%s", rig.text);
	cr_assert(rig_await(&rig, &rig.outputs[1].running), "%s", rig.text);
	cr_expect(rig_await(&rig, &rig.slow), "it says that it skips");
	rig_listen(&rig, 1000);
	cr_expect_not(rig.failed, "%s", rig.text);
	rig_see(&rig, 0, &s);
	expect_clean(&s);
	rig_see(&rig, 1, &s);
	expect_clean(&s);
	cr_expect_eq(rig_stop(&rig), 0);
	free(media);
}

Test(derive, a_wrong_profile_is_reported_with_its_reason)
{
	static const char *const bad[] = {
		"[\"preset\",\"bogus\"]",
		"[\"vf\",\"nosuchfilter\"]",
		"[\"vcodec\",\"nosuchcodec\"]",
		"[\"map\",\"0:v:7\"]",
	};
	size_t len;
	uint8_t *media = rig_media(SOURCE, &len);

	for (size_t i = 0; i < array_size(bad); i++) {
		struct rig rig;

		rig_start(&rig, derive_run, SPEC);
		rig_output_on(&rig, 0, bad[i], RING, TIME_NONE);
		rig_source(&rig, RING, false);
		rig_feed(&rig, media, len);
		cr_expect(rig_await(&rig, &rig.output_failed), "%s", bad[i]);
		cr_expect_eq(rig.status, 502);
		cr_expect_gt(strlen(rig.text), 10, "%s: %s", bad[i], rig.text);
		cr_expect_not(rig.failed, "the job itself goes on: other outputs may need it");
		cr_expect_eq(rig_stop(&rig), 0);
	}
	free(media);
}

Test(derive, a_failed_output_does_not_affect_the_others)
{
	struct rig rig;
	struct seen s;
	size_t len;
	uint8_t *media = rig_media(SOURCE, &len);

	rig_start(&rig, derive_run, SPEC);
	rig_output_on(&rig, 0, "[\"preset\",\"ultrafast\"]", RING, TIME_NONE);
	rig_output_on(&rig, 1, "[\"preset\",\"bogus\"]", RING, TIME_NONE);
	rig_source(&rig, RING, false);
	rig_feed(&rig, media, len);
	cr_assert(rig_await(&rig, &rig.output_failed));
	cr_assert(rig_await(&rig, &rig.outputs[0].running));
	cr_assert_not(rig.failed);
	cr_assert(rig_await_media(&rig, 0, SECOND));
	rig_see(&rig, 0, &s);
	expect_clean(&s);
	cr_assert_eq(rig_stop(&rig), 0);
	free(media);
}
