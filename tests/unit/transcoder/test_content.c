/* test_content.c - black, frozen and silent: what is a fault, and what a dark, still or quiet scene
 */
#include "media_file.h"
#include "unit.h"

#include <libavformat/avformat.h>
#include <libavutil/log.h>

#include "amps-transcoder/content/content.h"

#define SECOND CONTENT_HZ
#define BLOCKS 920u /* macroblocks of a small picture */

/* What so many seconds bring: a key frame each, with pictures and frames of sound between. */
struct scene {
	enum content_likeness likeness;
	bool dark;
	unsigned picture_bytes, sound_bytes, sound_more; /* more: of every second frame */
	double peak;
	bool no_sound;
};

/* A watch of scenes. */
struct show {
	struct content_judge judge;
	const struct scene *kept; /* whose key frame was kept; NULL = none */
	int64_t kept_90k;
	unsigned decoded; /* key frames */
};

static void show_init(struct show *w)
{
	*w = (struct show){.kept = NULL};
	content_judge_init(&w->judge);
}

static void play_key(struct show *w, int64_t now, const struct scene *s)
{
	enum content_look look = content_judge_look(&w->judge, now);
	bool other = w->kept && w->kept != s;

	if (look == CONTENT_PASS)
		return;
	if (look == CONTENT_KEEP) {
		w->kept = s;
		w->kept_90k = now;
		content_judge_kept(&w->judge, now);
		return;
	}
	if (w->kept)
		content_judge_kept_key(&w->judge, w->kept_90k, w->kept->dark);
	w->decoded += w->kept ? 2 : 1;
	w->kept = NULL;
	content_judge_key(&w->judge, now, !other && s->likeness == CONTENT_SAME,
			  !other && s->likeness != CONTENT_OTHER, s->dark);
}

/* Plays n pictures. */
static void play_pictures(struct show *w, int64_t *now, int n, const struct scene *s)
{
	for (; n > 0; n--, *now += SECOND / 25) {
		int64_t i = *now / (SECOND / 25);

		if (i % 25 == 0)
			play_key(w, *now, s);
		else
			content_judge_picture(&w->judge, *now, s->picture_bytes, BLOCKS, false);
		if (!s->no_sound &&
		    content_judge_sound(&w->judge, *now,
					s->sound_bytes + (i % 2 ? s->sound_more : 0)))
			content_judge_peak(&w->judge, *now, s->peak);
	}
}

/* The verdict behind so many more seconds. */
static enum content_fault play(struct show *w, int64_t *now, int seconds, const struct scene *s)
{
	play_pictures(w, now, seconds * 25, s);
	return content_judge_verdict(&w->judge);
}

static const struct scene film = {.likeness = CONTENT_OTHER,
				  .picture_bytes = 2000,
				  .sound_bytes = 200,
				  .sound_more = 100,
				  .peak = .5};

static enum content_fault behind_film(struct scene s)
{
	struct show w;
	int64_t now = 1000;

	show_init(&w);
	cr_assert_eq(play(&w, &now, 20, &film), CONTENT_GOOD);
	cr_assert_eq(play(&w, &now, 4, &s), CONTENT_GOOD, "it may be short");
	return play(&w, &now, 6, &s);
}

Test(content, a_picture_that_does_not_change_is_frozen_whatever_is_heard)
{
	struct scene s = film;

	s.likeness = CONTENT_SAME;
	s.picture_bytes = 30;
	cr_expect_eq(behind_film(s), CONTENT_FROZEN);
	s.no_sound = true;
	cr_expect_eq(behind_film(s), CONTENT_FROZEN);
}

/* Wherever it begins between two looks, and the rest of ten seconds is for what is on the way. */
static void check_found_in_time(const struct scene *s, enum content_fault fault, double limit)
{
	for (int more = 0; more < 50; more++) {
		struct show w;
		int64_t now = 0, begin;

		show_init(&w);
		cr_assert_eq(play(&w, &now, 20, &film), CONTENT_GOOD);
		play_pictures(&w, &now, more, &film);
		begin = now;
		while (content_judge_verdict(&w.judge) == CONTENT_GOOD && now < begin + 20 * SECOND)
			play_pictures(&w, &now, 1, s);
		cr_assert_eq(content_judge_verdict(&w.judge), fault);
		cr_expect_geq(now, begin + 6 * SECOND, "%d found after %.2f s, %d pictures later",
			      fault, (double)(now - begin) / SECOND, more);
		cr_expect_leq((double)(now - begin) / SECOND, limit, "%d, %d pictures later", fault,
			      more);
	}
}

Test(content, a_fault_is_found_within_ten_seconds)
{
	struct scene s = film;

	s.likeness = CONTENT_SAME;
	s.picture_bytes = 30;
	check_found_in_time(&s, CONTENT_FROZEN, 9.1);
	s = film;
	s.dark = s.no_sound = true;
	check_found_in_time(&s, CONTENT_BLACK, 9.1);
	s = film;
	s.sound_bytes = 8;
	s.sound_more = 0;
	s.peak = 0;
	check_found_in_time(&s, CONTENT_SILENT, 8.1);
}

Test(content, key_frames_are_decoded_where_sizes_say_that_nothing_may_be_shown)
{
	struct scene quiet = film;
	struct show w;
	int64_t now = 0;

	show_init(&w);
	cr_assert_eq(play(&w, &now, 60, &film), CONTENT_GOOD);
	cr_expect_eq(w.decoded, 1, "%u: the first", w.decoded);
	quiet.sound_bytes = 8;
	quiet.sound_more = 0;
	quiet.peak = 0;
	w.decoded = 0;
	(void)!play(&w, &now, 20, &quiet);
	cr_expect_geq(w.decoded, 9, "%u", w.decoded);
}

Test(content, a_still_scene_has_noise)
{
	struct scene s = film;

	s.likeness = CONTENT_SAME;
	cr_expect_eq(behind_film(s), CONTENT_GOOD, "every picture has news");
	s.likeness = CONTENT_OTHER;
	s.picture_bytes = 30;
	cr_expect_eq(behind_film(s), CONTENT_GOOD, "a clock changes the key frames");
}

Test(content, what_is_only_alike_is_frozen_without_sound)
{
	struct scene s = film;

	s.likeness = CONTENT_ALIKE;
	s.picture_bytes = 30;
	cr_expect_eq(behind_film(s), CONTENT_GOOD);
	s.no_sound = true;
	cr_expect_eq(behind_film(s), CONTENT_FROZEN);
}

Test(content, black_is_a_fault_without_sound_or_without_noise)
{
	struct scene s = film;

	s.dark = true;
	cr_expect_eq(behind_film(s), CONTENT_GOOD, "noise and sound");
	s.sound_bytes = 8;
	s.sound_more = 0;
	s.peak = 0;
	cr_expect_eq(behind_film(s), CONTENT_BLACK);
	s = film;
	s.dark = true;
	s.likeness = CONTENT_SAME;
	s.picture_bytes = 20;
	cr_expect_eq(behind_film(s), CONTENT_BLACK);
}

Test(content, sound_that_was_heard_and_is_digital_silence_is_silent)
{
	struct scene s = film;
	struct show w;
	int64_t now = 0;

	s.sound_bytes = 8;
	s.sound_more = 0;
	s.peak = 0;
	cr_expect_eq(behind_film(s), CONTENT_SILENT);
	s.peak = 3e-4;
	cr_expect_eq(behind_film(s), CONTENT_GOOD, "a quiet room");
	show_init(&w);
	s.peak = 0;
	cr_expect_eq(play(&w, &now, 60, &s), CONTENT_GOOD, "a silent film");
}

Test(content, the_end_of_a_fault_is_seen_and_a_leap_of_time_forgets_it)
{
	struct scene s = film;
	struct show w;
	int64_t now = 0;

	s.likeness = CONTENT_SAME;
	s.picture_bytes = 30;
	show_init(&w);
	cr_expect_eq(play(&w, &now, 12, &s), CONTENT_FROZEN);
	cr_expect_eq(play(&w, &now, 3, &film), CONTENT_GOOD);
	cr_expect_eq(play(&w, &now, 12, &s), CONTENT_FROZEN);
	now += 3600ll * SECOND;
	cr_expect_eq(play(&w, &now, 2, &s), CONTENT_GOOD);
	now = 0;
	cr_expect_eq(play(&w, &now, 2, &s), CONTENT_GOOD);
}

/* Plays a file through the watch; the first fault, and its second in *ret_at. */
static enum content_fault fault_of(const char *path, double *ret_at)
{
	AVFormatContext *ic = NULL;
	AVPacket *packet = av_packet_alloc();
	struct content c;
	enum content_fault fault = CONTENT_GOOD;
	int64_t first = AV_NOPTS_VALUE;

	av_log_set_level(AV_LOG_QUIET);
	cr_assert_eq(content_init(&c), 0);
	cr_assert_eq(avformat_open_input(&ic, path, NULL, NULL), 0, "%s", path);
	while (fault == CONTENT_GOOD && av_read_frame(ic, packet) >= 0) {
		content_packet(&c, ic, packet);
		fault = content_judge_verdict(&c.judge);
		if (packet->dts != AV_NOPTS_VALUE) {
			first = first == AV_NOPTS_VALUE ? packet->dts : first;
			*ret_at = (double)(packet->dts - first) / CONTENT_HZ;
		}
		av_packet_unref(packet);
	}
	avformat_close_input(&ic);
	av_packet_free(&packet);
	content_done(&c);
	return fault;
}

#define SIZE  "s=320x180:r=25"
#define STILL "mandelbrot=" SIZE ",trim=end_frame=1,loop=-1:1,setpts=N/25/TB"
#define MOVES "testsrc2=" SIZE
#define TONE  "sine=f=440:r=48000"
#define ZERO  "anullsrc=r=48000"
#define H264  "-c:v libx264 -preset veryfast -g 25 -b:v 400k -maxrate 400k -bufsize 400k "
#define MPEG2 "-c:v mpeg2video -g 12 -b:v 1M -maxrate 1M -minrate 1M -bufsize 800k "
#define END   "-pix_fmt yuv420p -t 14 -c:a aac -f mpegts"
#define FILM(picture, sound, codec)                                                                \
	"-f lavfi -i \"" picture "\" -f lavfi -i \"" sound "\" " codec END

static const struct {
	const char *name, *arguments;
	enum content_fault fault;
} films[] = {
	{"c-black.ts", FILM("color=black:" SIZE, ZERO, H264), CONTENT_BLACK},
	{"c-black-noise.ts", FILM("color=black:" SIZE ",noise=alls=2:allf=t", ZERO, H264),
	 CONTENT_BLACK},
	{"c-slate-sound.ts", FILM(STILL, TONE, H264), CONTENT_FROZEN},
	{"c-slate-poor.ts", FILM(STILL, TONE, "-c:v libx264 -preset veryfast -g 25 -b:v 300k "),
	 CONTENT_FROZEN},
	{"c-slate-mpeg2.ts", FILM(STILL, ZERO, MPEG2), CONTENT_FROZEN},
	{"c-lost-sound.ts", FILM(MOVES, TONE ",volume=0:enable='gt(t,3)'", H264), CONTENT_SILENT},
	{"c-camera.ts", FILM(STILL ",noise=alls=6:allf=t", TONE, H264), CONTENT_GOOD},
	{"c-night.ts",
	 FILM("color=0x141418:" SIZE ",drawbox=x=150:y=90:w=12:h=12:c=0x707060:t=fill,"
	      "noise=alls=5:allf=t",
	      "anoisesrc=a=0.0005:r=48000", H264),
	 CONTENT_GOOD},
	{"c-clock.ts",
	 FILM(STILL ",drawtext=text='%{pts\\:hms}':fontsize=14:fontcolor=white:x=240:y=8", TONE,
	      H264),
	 CONTENT_GOOD},
	{"c-fade.ts", FILM(STILL ",fade=out:0:350", TONE, H264), CONTENT_GOOD},
	{"c-quiet.ts", FILM(MOVES, TONE ",volume='if(gt(t,3),0.001,1)':eval=frame", H264),
	 CONTENT_GOOD},
};

Test(content, faults_are_found_and_real_scenes_are_none)
{
	for (size_t i = 0; i < array_size(films); i++) {
		double at = 0;
		enum content_fault fault =
			fault_of(media_file(films[i].name, films[i].arguments), &at);

		cr_expect_eq(fault, films[i].fault, "%s: %d at %.1f s", films[i].name, fault, at);
		if (films[i].fault == CONTENT_SILENT)
			at -= 3; /* it begins there */
		cr_expect(fault == CONTENT_GOOD || at <= 10, "%s: found after %.1f s",
			  films[i].name, at);
	}
}
