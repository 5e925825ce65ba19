/* HLS with low latency in a worker: parts, blocking reloads, hints, delta updates, reports;
 * segments of DASH. */
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <time.h>
#include "worker/hls_world.h"

#define PART_90K   (HZ / 4)
#define PART_BYTES 100u
#define FIRST_PART 7000u
#define HELD	   500u

/* A channel with pictures and sound, whose segments have four parts. */
struct ll {
	struct world w;
	uint32_t part, first; /* next part, and the first one of its segment */
	uint32_t discontinuity;
	uint32_t target_s;
	char codec[SEGMENT_CODEC_MAX]; /* of the pictures */
	bool english;		       /* there is sound in German and in English */
	char session[SESSION_TEXT + 1];
	uint32_t short_90k; /* how long the next part lasts; 0 = as usual */
};

static struct segment_media media_of(const struct ll *x, bool sound)
{
	return (struct segment_media){.target_s = x->target_s,
				      .independent = 1,
				      .peak_bps = 1000000,
				      .streams = SEGMENT_HAS_PICTURE | SEGMENT_HAS_SOUND,
				      .part_ms = 250,
				      .width = sound ? 0 : 1280,
				      .height = sound ? 0 : 720};
}

static void add_part_to(struct ll *x, struct index *to, bool sound, uint32_t flags)
{
	struct segment_media media = media_of(x, sound);
	struct segment s = {
		.number = x->w.next,
		.part = x->part,
		.first = x->first,
		.discontinuity = x->discontinuity,
		.start_90k = (int64_t)x->part * PART_90K,
		.duration_90k = x->short_90k ? x->short_90k : PART_90K,
		.wall_us = 1700000000000000 + x->part * 250000ll,
		.made_s = x->w.made_s,
		.at = (x->part - x->first) * PART_BYTES,
		.bytes = PART_BYTES,
		.oldest = MAX(FIRST, x->w.next - 40),
		.flags = flags,
		.init = FIRST,
	};

	if (!sound)
		snprintf(media.picture, sizeof(media.picture), "%s", x->codec);
	if (sound && x->english) {
		strcpy(media.name, "deu");
		strcpy(media.sounds[0], "deu");
		strcpy(media.sounds[1], "eng");
	}
	add_entry(to, &s, &media);
}

/* The next part of both; SEGMENT_LAST in `flags` ends the segment. */
static void add_part(struct ll *x, uint32_t flags)
{
	if (flags & SEGMENT_DISCONTINUITY)
		x->discontinuity++;
	add_part_to(x, &x->w.index, false, flags);
	add_part_to(x, &x->w.sound, true, flags | SEGMENT_INDEPENDENT);
	x->part++;
	if (!(flags & SEGMENT_LAST))
		return;
	x->first = x->part;
	x->w.next++;
}

static void add_segment(struct ll *x, uint32_t flags)
{
	for (unsigned i = 0; i < 4; i++)
		add_part(x,
			 (i == 0 ? SEGMENT_INDEPENDENT | flags : 0) | (i == 3 ? SEGMENT_LAST : 0));
}

/* Both tracks of CMAF are wanted. */
static bool both_wanted(struct ll *x)
{
	static struct msg raw;
	struct msg_want want;

	turn(&x->w);
	while (msg_receive(x->w.master.socket, &raw) == 0) {
		if (raw.type != MSG_WANT)
			continue;
		cr_assert_eq(msg_decode_want(raw.bytes, raw.len, &want), 0);
		if (want.form == OUTPUT_CMAF_PICTURE)
			x->w.index.want = want.want;
		else if (want.form == OUTPUT_CMAF_SOUND)
			x->w.sound.want = want.want;
	}
	return x->w.index.want && x->w.sound.want;
}

static void open_ll(struct ll *x, unsigned segments)
{
	const char *s;

	memset(x, 0, sizeof(*x));
	open_world(&x->w, (struct fm_settings){0});
	x->part = x->first = FIRST_PART;
	x->discontinuity = 7;
	x->target_s = 1;
	make_index(&x->w.index, 1, FIRST_PART);
	make_index(&x->w.sound, 1, FIRST_PART);
	for (unsigned i = 0; i < segments; i++)
		add_segment(x, 0);
	ask(&a, &x->w, "GET", "/hls/5/index.m3u8?segment_type=cmaf", "");
	await(&x->w, both_wanted(x));
	send_index(&x->w, &x->w.index, 1, 3);
	send_index(&x->w, &x->w.sound, 1, 4);
	await(&x->w, answered(&a));
	close(a.fd);
	cr_assert_eq(status_of(a.text), 200, "%s", a.text);
	s = strstr(a.text, "media.m3u8?track=picture&s=");
	cr_assert_not_null(s, "%s", a.text);
	snprintf(x->session, sizeof(x->session), "%s", s + strlen("media.m3u8?track=picture&s="));
}

/* Tables may name sound that has no packets. */
Test(ll_hls, sound_that_does_not_come_is_left_out)
{
	struct ll x = {
		.part = FIRST_PART, .first = FIRST_PART, .target_s = 1, .codec = "avc1.640028"};

	open_world(&x.w, (struct fm_settings){0});
	make_index(&x.w.index, 1, FIRST_PART);
	make_index(&x.w.sound, 1, FIRST_PART);
	ask(&a, &x.w, "GET", "/hls/5/index.m3u8?segment_type=cmaf", "");
	await(&x.w, both_wanted(&x));
	send_index(&x.w, &x.w.index, 1, 3);
	send_index(&x.w, &x.w.sound, 1, 4);
	add_part_to(&x, &x.w.index, false, SEGMENT_INDEPENDENT);
	await(&x.w, answered(&a));
	close(a.fd);
	cr_expect_eq(status_of(a.text), 200, "%s", a.text);
	cr_expect(strstr(a.text, ",CODECS=\"avc1.640028\""), "%s", a.text);
	cr_expect_null(strstr(a.text, "AUDIO"), "%s", a.text);
	close_world(&x.w);
}

static const char *media_path(const struct ll *x, const char *track, const char *more)
{
	static char path[256];

	snprintf(path, sizeof(path), "/hls/5/media.m3u8?track=%s&s=%s%s", track, x->session, more);
	return path;
}

static const char *part_path(const struct ll *x, char kind, uint32_t part)
{
	static char path[128];
	char signature[SIGNATURE_TEXT + 1];

	signature_write(x->w.worker.context.media_key, FM_CHANNEL, signature_part_s(part),
			signature);
	snprintf(path, sizeof(path), "/hls/5/~%s/0/%cp%u.m4s", signature, kind, part);
	return path;
}

static void expect_held(struct ll *x, struct answer *held)
{
	for (unsigned i = 0; i < 20; i++) {
		turn(&x->w);
		usleep(1000);
		cr_assert_not(answered(held), "it is answered at once: %s", held->text);
	}
}

static void ask_held(struct ll *x, struct answer *to, const char *path, const char *fields)
{
	ask(to, &x->w, "GET", path, fields);
	expect_held(x, to);
}

static void expect_answer(struct ll *x, struct answer *to, int status, const char *holds)
{
	await(&x->w, answered(to));
	close(to->fd);
	cr_expect_eq(status_of(to->text), status, "%s", to->text);
	cr_expect(!holds || strstr(to->text, holds), "lacks %s: %s", holds, to->text);
}

/* What the master is asked for next: the name of its sound, and the number of the want. */
static const char *wanted_sound(struct ll *x, uint32_t *ret_want)
{
	static struct msg raw;
	struct msg_want want;

	turn(&x->w);
	while (msg_receive(x->w.master.socket, &raw) == 0) {
		if (raw.type != MSG_WANT)
			continue;
		cr_assert_eq(msg_decode_want(raw.bytes, raw.len, &want), 0);
		cr_assert_eq(want.form, OUTPUT_CMAF_SOUND);
		*ret_want = want.want;
		return want.track;
	}
	return NULL;
}

/* Before that nothing is begun in its name. */
Test(ll_hls, a_sound_is_judged_when_the_usual_one_is_there)
{
	static struct answer english, french;
	struct session_name session;
	struct ll x = {.part = FIRST_PART, .first = FIRST_PART, .target_s = 1, .english = true};
	const char *wanted = NULL;
	uint32_t want;

	open_world(&x.w, (struct fm_settings){0});
	make_index(&x.w.index, 1, FIRST_PART);
	make_index(&x.w.sound, 1, FIRST_PART);
	session = (struct session_name){.number = 1};
	session_name_write(x.w.worker.context.media_key, FM_CHANNEL, &session, x.session);
	ask_held(&x, &french, media_path(&x, "sound", "&lang=fra"), "");
	await(&x.w, (wanted = wanted_sound(&x, &want)));
	cr_assert_str_eq(wanted, "");
	x.w.sound.want = want;
	ask_held(&x, &english, media_path(&x, "sound", "&lang=eng"), "");
	cr_assert_null(wanted_sound(&x, &want));
	add_part_to(&x, &x.w.sound, true, SEGMENT_INDEPENDENT);
	send_index(&x.w, &x.w.sound, 1, 4);
	expect_answer(&x, &french, 404, "no such sound");
	await(&x.w, (wanted = wanted_sound(&x, &want)));
	cr_expect_str_eq(wanted, "eng");
	cr_expect_not(answered(&english));
	close(english.fd);
	close_world(&x.w);
}

Test(ll_hls, a_sound_that_is_refused_is_not_begun_again_at_once)
{
	struct msg_output_gone gone = {.reason = GONE_FAILED, .status = 502, .text = "it failed"};
	struct ll x = {.part = FIRST_PART, .first = FIRST_PART, .target_s = 1, .english = true};
	const char *wanted = NULL;

	open_world(&x.w, (struct fm_settings){0});
	make_index(&x.w.index, 1, FIRST_PART);
	make_index(&x.w.sound, 1, FIRST_PART);
	add_segment(&x, 0);
	ask(&a, &x.w, "GET", "/hls/5/index.m3u8?segment_type=cmaf", "");
	await(&x.w, both_wanted(&x));
	send_index(&x.w, &x.w.index, 1, 3);
	send_index(&x.w, &x.w.sound, 1, 4);
	await(&x.w, (wanted = wanted_sound(&x, &gone.want)));
	cr_assert_str_eq(wanted, "eng");
	cr_assert_eq(msg_send_output_gone(x.w.master.socket, &gone, NULL), 0);
	await(&x.w, answered(&a));
	close(a.fd);
	cr_expect_eq(status_of(a.text), 200, "%s", a.text);
	cr_expect_null(wanted_sound(&x, &gone.want));
	close_world(&x.w);
}

Test(ll_hls, a_playlist_lists_parts_and_what_comes)
{
	struct ll x;
	const char *text;

	open_ll(&x, 5);
	add_part(&x, SEGMENT_INDEPENDENT);
	text = get(&x.w, media_path(&x, "picture", ""), "");
	cr_expect(strstr(text, "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n"
			       "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=3.0,"
			       "PART-HOLD-BACK=0.750,CAN-SKIP-UNTIL=6.0\n"
			       "#EXT-X-PART-INF:PART-TARGET=0.250\n#EXT-X-INDEPENDENT-SEGMENTS\n"
			       "#EXT-X-MEDIA-SEQUENCE:1000\n#EXT-X-DISCONTINUITY-SEQUENCE:7\n"
			       "#EXT-X-MAP:URI=\"~"),
		  "%s", text);
	/* whole segments, then those of three target durations with their parts */
	cr_expect(strstr(text, "#EXTINF:1.000000,\n~"), "%s", text);
	cr_expect(strstr(text, "/0/v1000.m4s\n") && strstr(text, "/0/v1004.m4s\n"), "%s", text);
	cr_expect_null(strstr(text, "/0/vp7004.m4s"), "%s", text);
	cr_expect(strstr(text, "/0/vp7008.m4s\",INDEPENDENT=YES\n"), "%s", text);
	cr_expect(strstr(text, "/0/vp7020.m4s\",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT:TYPE=PART,"
			       "URI=\"~"),
		  "%s", text);
	cr_expect(strstr(text, "/0/vp7021.m4s\"\n#EXT-X-RENDITION-REPORT:"
			       "URI=\"media.m3u8?track=sound&s="),
		  "%s", text);
	cr_expect(strstr(text, "\",LAST-MSN=1005,LAST-PART=0\n"), "%s", text);
	cr_expect(strstr(text, "Cache-Control: no-cache\r\n"), "%s", text);
	cr_expect_null(strstr(text, "Content-Encoding"), "%s", text);
	text = get(&x.w, media_path(&x, "sound", ""), "");
	cr_expect(strstr(text, "/0/ap7021.m4s\"\n#EXT-X-RENDITION-REPORT:"
			       "URI=\"media.m3u8?track=picture&s="),
		  "%s", text);
	close_world(&x.w);
}

/* What the hint names is what the playlist lists then, also where the signature changes. */
Test(ll_hls, a_hint_is_the_address_that_is_listed)
{
	char hint[128], *at;
	struct ll x;

	static_assert(FIRST_PART / SIGNATURE_PARTS < (FIRST_PART + 180) / SIGNATURE_PARTS,
		      "the signature changes");
	open_ll(&x, 3);
	for (unsigned i = 0; i < 180; i++) {
		at = strstr(get(&x.w, media_path(&x, "picture", ""), ""), "TYPE=PART,");
		cr_assert_not_null(at);
		snprintf(hint, sizeof(hint), "%.*s", (int)strcspn(at + 10, "\n"), at + 10);
		add_part(&x, i % 4 == 3 ? SEGMENT_LAST : 0);
		cr_assert(strstr(get(&x.w, media_path(&x, "picture", ""), ""), hint), "%s: %s",
			  hint, a.text);
	}
	close_world(&x.w);
}

/* Shaka cannot begin with a segment that has no address. */
Test(ll_hls, the_first_copy_of_few_segments_has_complete_ones_only)
{
	struct ll x;
	const char *text;

	open_ll(&x, 2);
	add_part(&x, SEGMENT_INDEPENDENT);
	add_part(&x, 0);
	text = get(&x.w, media_path(&x, "picture", ""), "");
	cr_expect(strstr(text, "v1001.m4s\n#EXT-X-RENDITION-REPORT:"), "%s", text);
	text = get(&x.w, media_path(&x, "picture", "&_HLS_msn=1002&_HLS_part=0"), "");
	cr_expect(strstr(text, "vp7009.m4s\"\n#EXT-X-PRELOAD-HINT:"), "%s", text);
	add_part(&x, 0);
	add_part(&x, SEGMENT_LAST);
	add_part(&x, SEGMENT_INDEPENDENT);
	text = get(&x.w, media_path(&x, "picture", ""), "");
	cr_expect(strstr(text, "vp7012.m4s\",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT:"), "%s", text);
	close_world(&x.w);
}

Test(ll_hls, a_reload_waits_for_its_part)
{
	static struct answer whole, part, behind;
	struct ll x;

	open_ll(&x, 3);
	expect(&x.w, media_path(&x, "picture", "&_HLS_msn=1001"), "", 200, "v1001.m4s");
	/* a segment is a whole with the first part of the next one */
	expect(&x.w, media_path(&x, "picture", "&_HLS_msn=1002&_HLS_part=3"), "", 200,
	       "vp7011.m4s\"\n#EXT-X-PRELOAD-HINT");
	ask_held(&x, &whole, media_path(&x, "picture", "&_HLS_msn=1002"), "");
	ask_held(&x, &part, media_path(&x, "picture", "&_HLS_msn=1003&_HLS_part=1"), "");
	/* a part that a complete segment has not is the first one of the next */
	ask_held(&x, &behind, media_path(&x, "picture", "&_HLS_msn=1002&_HLS_part=4"), "");
	add_part(&x, SEGMENT_INDEPENDENT);
	expect_answer(&x, &behind, 200, "vp7012.m4s\",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT");
	expect_answer(&x, &whole, 200, "v1002.m4s\n#EXT-X-PROGRAM-DATE-TIME");
	cr_assert_not(answered(&part));
	add_part(&x, 0);
	expect_answer(&x, &part, 200, "vp7013.m4s\"\n#EXT-X-PRELOAD-HINT");
	ask_held(&x, &behind, media_path(&x, "picture", "&_HLS_msn=1003&_HLS_part=6"), "");
	add_part(&x, 0);
	add_part(&x, SEGMENT_LAST);
	expect_held(&x, &behind);
	add_part(&x, SEGMENT_INDEPENDENT);
	expect_answer(&x, &behind, 200, "vp7016.m4s\",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT");
	close_world(&x.w);
}

static void add_short_part(struct ll *x, uint32_t flags)
{
	x->short_90k = PART_90K / 4;
	add_part(x, flags);
	x->short_90k = 0;
}

Test(ll_hls, a_short_last_part_is_listed_with_the_end_of_its_segment)
{
	static struct answer next;
	struct ll x;

	open_ll(&x, 3);
	add_part(&x, SEGMENT_INDEPENDENT);
	add_part(&x, 0);
	add_short_part(&x, SEGMENT_LAST);
	expect(&x.w, media_path(&x, "picture", "&_HLS_msn=1003&_HLS_part=1"), "", 200,
	       "vp7013.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"~");
	expect(&x.w, media_path(&x, "sound", "&_HLS_msn=1002&_HLS_part=0"), "", 200,
	       ",LAST-MSN=1003,LAST-PART=1\n");
	ask_held(&x, &next, media_path(&x, "picture", "&_HLS_msn=1003&_HLS_part=2"), "");
	add_part(&x, SEGMENT_INDEPENDENT);
	expect_answer(&x, &next, 200, "vp7014.m4s\"\n#EXTINF:0.562500,\n");
	close_world(&x.w);
}

Test(ll_hls, the_first_segments_are_listed_with_all_of_their_parts)
{
	struct ll x;

	open_ll(&x, 1);
	add_part(&x, SEGMENT_INDEPENDENT);
	add_short_part(&x, SEGMENT_LAST);
	expect(&x.w, media_path(&x, "picture", "&_HLS_msn=1001"), "", 200,
	       "vp7005.m4s\"\n#EXTINF:0.312500,\n");
	close_world(&x.w);
}

Test(ll_hls, a_short_part_that_is_a_segment_is_listed)
{
	struct ll x;

	open_ll(&x, 3);
	add_short_part(&x, SEGMENT_INDEPENDENT | SEGMENT_LAST);
	expect(&x.w, media_path(&x, "picture", "&_HLS_msn=1003&_HLS_part=0"), "", 200,
	       "vp7012.m4s\",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT");
	close_world(&x.w);
}

Test(ll_hls, a_part_that_turns_out_to_be_the_last_one_stays)
{
	uint32_t late = SEGMENT_LAST | SEGMENT_CLOSED_LATE;
	struct ll x;

	open_ll(&x, 3);
	add_part(&x, SEGMENT_INDEPENDENT);
	add_short_part(&x, 0);
	expect(&x.w, media_path(&x, "picture", ""), "", 200, "vp7013.m4s\"\n#EXT-X-PRELOAD-HINT");
	ring_writer_amend(&x.w.index.writer,
			  segment_position(x.part - 1) + offsetof(struct segment, flags), late);
	expect(&x.w, media_path(&x, "picture", ""), "", 200, "vp7013.m4s\"\n#EXT-X-PRELOAD-HINT");
	close_world(&x.w);
}

Test(ll_hls, an_end_that_comes_late_is_listed_among_the_first_segments)
{
	struct ll x;

	open_ll(&x, 1);
	add_part(&x, SEGMENT_INDEPENDENT);
	expect(&x.w, media_path(&x, "picture", "&_HLS_skip=YES"), "", 200,
	       "vp7004.m4s\",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT");
	ring_writer_amend(&x.w.index.writer,
			  segment_position(x.part - 1) + offsetof(struct segment, flags),
			  SEGMENT_INDEPENDENT | SEGMENT_LAST | SEGMENT_CLOSED_LATE);
	expect(&x.w, media_path(&x, "picture", "&_HLS_skip=YES"), "", 200,
	       "vp7004.m4s\",INDEPENDENT=YES\n#EXTINF:0.250000,\n");
	close_world(&x.w);
}

Test(ll_hls, an_ended_playlist_has_all_parts_and_all_ends)
{
	struct ll x;

	open_ll(&x, 3);
	add_part(&x, SEGMENT_INDEPENDENT);
	add_short_part(&x, SEGMENT_LAST);
	ring_writer_ended(&x.w.index.writer);
	expect(&x.w, media_path(&x, "picture", ""), "", 200, "vp7013.m4s\"\n#EXTINF:0.312500,\n");
	close_world(&x.w);
	/* a job has died, and its successor has closed its file */
	open_ll(&x, 3);
	add_part(&x, SEGMENT_INDEPENDENT);
	ring_writer_ended(&x.w.index.writer);
	expect(&x.w, media_path(&x, "picture", ""), "", 200, "#EXTINF:0.250000,\n");
	close_world(&x.w);
}

Test(ll_hls, what_will_not_come_soon_is_refused)
{
	static const char *const wrong[] = {"&_HLS_part=1",
					    "&_HLS_msn=x",
					    "&_HLS_msn=-1",
					    "&_HLS_msn=",
					    "&_HLS_msn=4294967295",
					    "&_HLS_msn=99999999999",
					    "&_HLS_msn=1003&_HLS_part=x",
					    "&_HLS_msn=1003&_HLS_part=4294967294",
					    NULL};
	static struct answer late;
	struct ll x;

	open_ll(&x, 3);
	for (unsigned i = 0; wrong[i]; i++)
		expect(&x.w, media_path(&x, "picture", wrong[i]), "", 400, "error");
	/* the newest is 1002 */
	expect(&x.w, media_path(&x, "picture", "&_HLS_msn=1005"), "", 400, "soon");
	expect(&x.w, media_path(&x, "picture", "&_HLS_msn=1003&_HLS_part=13"), "", 400, "soon");
	expect(&x.w, media_path(&x, "picture", "&_HLS_msn=1002&_HLS_part=16"), "", 400, "soon");
	ask_held(&x, &late, media_path(&x, "picture", "&_HLS_msn=1004&_HLS_part=12"), "");
	/* it did not come in three target durations */
	expect_answer(&x, &late, 503, "Retry-After: ");
	close_world(&x.w);
}

Test(ll_hls, the_kind_of_segments_is_ts_or_cmaf)
{
	static const char *const paths[] = {
		"/hls/5/index.m3u8?segment_type=x",
		"/hls/5/index.m3u8?segment_type=", "/hls/5/index.m3u8?segment_type=cmafcmafcmaf",
		"/hls/5.m3u8?segment_type=x", "/hls/5.m3u8?segment_type=cmaf"};
	struct ll x;

	open_ll(&x, 1);
	for (unsigned i = 0; i < array_size(paths); i++) {
		expect(&x.w, paths[i], "", 400, "error");
		ask(&a, &x.w, "HEAD", paths[i], "");
		await(&x.w, strstr((answered(&a), a.text), "\r\n\r\n"));
		cr_expect_eq(status_of(a.text), 400, "%s", paths[i]);
		close(a.fd);
	}
	expect(&x.w, media_path(&x, "picture", "&segment_type=x"), "", 400, "error");
	expect(&x.w, media_path(&x, "subtitles", ""), "", 404, "track");
	close_world(&x.w);
}

static void write_file(struct ll *x, const char *name, const char *bytes)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/5", x->w.folder);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/5/0", x->w.folder);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/5/0/%s", x->w.folder, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	for (unsigned i = 0; i < 4; i++)
		fprintf(f, "%s%0*u", bytes, (int)(PART_BYTES - strlen(bytes)), i);
	fclose(f);
}

Test(ll_hls, a_part_is_a_range_of_a_file)
{
	char tag[128], field[160], *at;
	struct ll x;

	open_ll(&x, 1);
	write_file(&x, "v1000.m4s", "whole");
	write_file(&x, "v1001.tmp", "grows");
	add_part(&x, SEGMENT_INDEPENDENT);
	add_part(&x, 0);
	expect(&x.w, part_path(&x, 'v', 7001), "", 200, "\r\n\r\nwhole0");
	cr_expect(strstr(a.text, "Content-Type: video/mp4\r\nContent-Length: 100\r\n"
				 "Accept-Ranges: bytes\r\nETag: \"p7001-100\"\r\n"),
		  "%s", a.text);
	cr_expect(strstr(a.text, "Cache-Control: public, max-age=3600, immutable\r\n"));
	cr_expect_str_eq(a.text + a.len - 2, "01");
	at = strstr(a.text, "ETag: ") + 6;
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(at, "\r"), at);
	snprintf(field, sizeof(field), "If-None-Match: %s\r\n", tag);
	expect(&x.w, part_path(&x, 'v', 7001), field, 304, NULL);
	expect(&x.w, part_path(&x, 'v', 7005), "", 200, "\r\n\r\ngrows0");
	expect(&x.w, part_path(&x, 'v', 7001), "Range: bytes=2-4\r\n", 206, "\r\n\r\nole");
	cr_expect(strstr(a.text, "Content-Range: bytes 2-4/100\r\n"), "%s", a.text);
	cr_expect(strstr(a.text, "Content-Length: 3\r\n"), "%s", a.text);
	expect(&x.w, part_path(&x, 'v', 7001), "Range: bytes=100-\r\n", 416, "bytes */100\r\n");
	ask(&a, &x.w, "HEAD", part_path(&x, 'v', 7001), "");
	await(&x.w, strstr((answered(&a), a.text), "\r\n\r\n"));
	cr_expect(strstr(a.text, " 200 OK") && strstr(a.text, "Content-Length: 100\r\n"), "%s",
		  a.text);
	close(a.fd);
	/* the file is gone */
	expect(&x.w, part_path(&x, 'a', 7001), "", 404, "part");
	close_world(&x.w);
}

Test(ll_hls, the_next_part_may_be_asked_for_before_it_is_there)
{
	static struct answer first, second;
	char fields[512];
	struct ll x;

	open_ll(&x, 1);
	write_file(&x, "v1001.tmp", "grows");
	snprintf(fields, sizeof(fields),
		 "Range: bytes=1-3\r\nIf-None-Match: \"x\"\r\n\r\n"
		 "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: %0300d\r\n",
		 0);
	ask_held(&x, &first, part_path(&x, 'v', 7004), "");
	/* the request's fields are used after the wait, when the next request has moved up */
	ask_held(&x, &second, part_path(&x, 'v', 7004), fields);
	add_part(&x, SEGMENT_INDEPENDENT);
	expect_answer(&x, &first, 200, "\r\n\r\ngrows0");
	expect_answer(&x, &second, 206, "\r\n\r\nrow");
	cr_expect(strstr(second.text, "Content-Range: bytes 1-3/100\r\n"), "%s", second.text);
	close_world(&x.w);
}

Test(ll_hls, a_part_that_will_never_be_is_refused_at_once)
{
	static struct answer held;
	struct msg_output_gone gone = {.reason = GONE_FAILED, .status = 502, .text = "it failed"};
	char other[128], *signature;
	struct ll x;

	open_ll(&x, 1);
	expect(&x.w, part_path(&x, 'v', 6999), "", 404, "part");
	expect(&x.w, part_path(&x, 'v', 7005), "", 404, "part");
	expect(&x.w, part_path(&x, 'v', 7004 + SIGNATURE_PARTS), "", 404, "part");
	strcpy(other, part_path(&x, 'v', 7003));
	signature = strchr(other, '~') + 1;
	signature[0] = signature[0] == '0' ? '1' : '0';
	expect(&x.w, other, "", 403, "signature");
	/* the numbers go on elsewhere */
	ask_held(&x, &held, part_path(&x, 'v', 7004), "");
	x.part = x.first = 7100;
	x.w.next++;
	ring_writer_begin(&x.w.index.writer, segment_position(x.part));
	add_part_to(&x, &x.w.index, false, SEGMENT_INDEPENDENT | SEGMENT_DISCONTINUITY);
	expect_answer(&x, &held, 404, "part");
	/* the job ends */
	ask_held(&x, &held, part_path(&x, 'v', 7101), "");
	gone.want = x.w.index.want;
	cr_assert_eq(msg_send_output_gone(x.w.master.socket, &gone, NULL), 0);
	expect_answer(&x, &held, 404, "part");
	close_world(&x.w);
}

Test(ll_hls, the_end_of_the_source_answers_all_that_wait)
{
	struct msg_output_gone gone = {.reason = GONE_ENDED, .status = 502, .text = "it is over"};
	static struct answer reload, hint, again;
	struct ll x;

	open_ll(&x, 2);
	ask_held(&x, &reload, media_path(&x, "picture", "&_HLS_msn=1002&_HLS_part=0"), "");
	ask_held(&x, &hint, part_path(&x, 'v', 7008), "");
	ring_writer_ended(&x.w.index.writer);
	gone.want = x.w.index.want;
	cr_assert_eq(msg_send_output_gone(x.w.master.socket, &gone, NULL), 0);
	turn(&x.w);
	/* a viewer who begins now starts it again */
	x.w.index.want = 0;
	ask(&again, &x.w, "GET", "/hls/5/index.m3u8?segment_type=cmaf", "");
	expect_answer(&x, &reload, 200, "#EXT-X-ENDLIST\n");
	cr_expect_null(strstr(reload.text, "HINT"), "%s", reload.text);
	cr_expect_null(strstr(reload.text, "REPORT"), "%s", reload.text);
	expect_answer(&x, &hint, 404, "part");
	await(&x.w, both_wanted(&x));
	close(again.fd);
	close_world(&x.w);
}

Test(ll_hls, a_delta_update_leaves_out_what_is_older_than_six_targets)
{
	struct ll x;
	const char *text;

	open_ll(&x, 6);
	text = get(&x.w, media_path(&x, "picture", "&_HLS_skip=YES"), "");
	cr_expect_null(strstr(text, "SKIP:"), "%s", text);
	add_segment(&x, 0);
	add_segment(&x, 0);
	/* 1000 ends six targets before the end, and a part more */
	text = get(&x.w, media_path(&x, "picture", "&_HLS_skip=YES"), "");
	cr_expect(strstr(text, "#EXT-X-MEDIA-SEQUENCE:1000\n#EXT-X-DISCONTINUITY-SEQUENCE:7\n"
			       "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXT-X-MAP:URI="),
		  "%s", text);
	cr_expect_null(strstr(text, "v1001.m4s"), "%s", text);
	cr_expect(strstr(text, "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:42:32.000Z\n"
			       "#EXTINF:1.000000,\n"),
		  "%s", text);
	cr_expect(strstr(text, "v1002.m4s\n") && strstr(text, "v1006.m4s\n"), "%s", text);
	cr_expect(strstr(get(&x.w, media_path(&x, "picture", "&_HLS_skip=v2"), ""),
			 "SKIPPED-SEGMENTS=2\n"));
	cr_expect(strstr(get(&x.w, media_path(&x, "picture", ""), ""), "v1000.m4s\n"));
	/* the part that has come is in both */
	add_part(&x, SEGMENT_INDEPENDENT);
	cr_expect(strstr(get(&x.w, media_path(&x, "picture", ""), ""), "vp7032.m4s\""));
	cr_expect(
		strstr(get(&x.w, media_path(&x, "picture", "&_HLS_skip=YES"), ""), "vp7032.m4s\""));
	close_world(&x.w);
}

Test(ll_hls, a_delta_update_leaves_out_no_discontinuity)
{
	struct ll x;
	const char *text, *at;

	open_ll(&x, 2);
	add_segment(&x, SEGMENT_DISCONTINUITY);
	for (unsigned i = 0; i < 8; i++)
		add_segment(&x, 0);
	text = get(&x.w, media_path(&x, "picture", "&_HLS_skip=YES"), "");
	cr_expect(strstr(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXT-X-DISCONTINUITY\n"
			       "#EXT-X-MAP:URI="),
		  "%s", text);
	/* behind a discontinuity the init segment is named again */
	text = get(&x.w, media_path(&x, "picture", ""), "");
	at = strstr(text, "#EXT-X-MAP:");
	cr_assert_not_null(at);
	cr_expect(strstr(at + 1, "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="), "%s", text);
	close_world(&x.w);
}

static void offer(struct ll *x, const struct index *i, enum output_form form, uint32_t output)
{
	struct msg_output_offer m = {.channel = FM_CHANNEL,
				     .form = (uint8_t)form,
				     .output = output,
				     .generation = 1,
				     .data_bytes = i->bytes,
				     .unit_bytes = sizeof(struct segment),
				     .live = 1,
				     .variant = "",
				     .track = ""};

	cr_assert_eq(msg_send_output_offer(x->w.master.socket, &m, &(int){i->ring}), 0);
}

/* The connections of a player go to several workers. */
Test(ll_hls, a_worker_without_its_playlists_serves_parts)
{
	struct ll x = {.part = FIRST_PART, .first = FIRST_PART, .target_s = 1};

	open_world(&x.w, (struct fm_settings){0});
	make_index(&x.w.index, 1, FIRST_PART);
	make_index(&x.w.sound, 1, FIRST_PART);
	add_segment(&x, 0);
	write_file(&x, "v1000.m4s", "whole");
	expect(&x.w, part_path(&x, 'v', 7001), "", 404, "part");
	offer(&x, &x.w.index, OUTPUT_CMAF_PICTURE, 3);
	offer(&x, &x.w.sound, OUTPUT_CMAF_SOUND, 4);
	await(&x.w, status_of(get(&x.w, part_path(&x, 'v', 7001), "")) == 200);
	cr_expect(strstr(a.text, "\r\n\r\nwhole0"), "%s", a.text);
	close_world(&x.w);
}

/* The heap in use; 0 where it is not known. */
static size_t heap(void)
{
	return mallinfo2().uordblks;
}

Test(ll_hls, a_held_request_costs_less_than_a_kilobyte_and_no_timer)
{
	static struct answer held[HELD];
	int events, free_events;
	size_t bytes, text;
	struct ll x;

	open_ll(&x, 3);
	get(&x.w, media_path(&x, "picture", ""), "");
	/* what one brings with it */
	ask_held(&x, &held[0], media_path(&x, "picture", "&_HLS_msn=1003&_HLS_part=0"), "");
	bytes = heap();
	events = event_base_get_num_events(x.w.worker.context.base, EVENT_BASE_COUNT_ADDED);
	for (unsigned i = 1; i < HELD; i++) {
		ask(&held[i], &x.w, "GET", media_path(&x, "picture", "&_HLS_msn=1003&_HLS_part=0"),
		    "");
		turn(&x.w);
	}
	await(&x.w, fm_page(&x.w.master)->requests_total >= HELD + 2);
	turn(&x.w);
	free_events = event_base_get_num_events(x.w.worker.context.base, EVENT_BASE_COUNT_ADDED);
	/* that of its connection */
	cr_expect_eq(free_events - events, HELD - 1);
	text = (heap() - bytes) / (HELD - 1);
	printf("a held request takes %zu bytes\n", text);
	cr_expect_leq(text, 1024);
	add_part(&x, SEGMENT_INDEPENDENT);
	for (unsigned i = 0; i < HELD; i++)
		expect_answer(&x, &held[i], 200, "vp7012.m4s");
	close_world(&x.w);
}

/* The request waits in the rendition of the pictures, and needs the sound as well. */
Test(ll_hls, what_a_request_waits_for_lives_on_while_the_channel_starts)
{
	static const char *const paths[] = {"/hls/5/index.m3u8?segment_type=cmaf",
					    "/dash/5/manifest.mpd"};

	for (size_t i = 0; i < array_size(paths); i++) {
		struct renditions *all;
		struct ll x = {.part = FIRST_PART, .first = FIRST_PART, .target_s = 1};
		struct rendition_request sound = {
			.channel = FM_CHANNEL, .variant = "", .form = OUTPUT_CMAF_SOUND};
		uint64_t late_us = clock_mono_us() + 200000;

		open_world(&x.w, (struct fm_settings){0});
		all = &x.w.worker.segments.renditions;
		ask(&a, &x.w, "GET", paths[i], "");
		await(&x.w, both_wanted(&x));
		/* it was asked for at the beginning */
		await(&x.w, rendition_find(all, &sound)->until_us > late_us + RENDITION_MIN_US);
		renditions_sweep(all, late_us + RENDITION_MIN_US);
		cr_expect_not_null(rendition_find(all, &sound), "%s", paths[i]);
		close(a.fd);
		close_world(&x.w);
	}
}

/* A file of the pictures as a manifest of DASH that was made at this time has it. */
static const char *dash_path(const struct ll *x, const char *name, int64_t made_s)
{
	static char path[128];
	char signature[SIGNATURE_TEXT + 1];

	signature_write(x->w.worker.context.media_key, FM_CHANNEL, made_s, signature);
	snprintf(path, sizeof(path), "/dash/5/~%s/0/%s", signature, name);
	return path;
}

/* Each manifest has the signature of its time for all that it lists. */
Test(ll_dash, a_listed_address_outlives_the_change_of_the_signature)
{
	int64_t window = time(NULL) / SIGNATURE_SECONDS * SIGNATURE_SECONDS;
	int64_t written = window - 2 * SIGNATURE_SECONDS + SIGNATURE_SECONDS / 2;
	const struct timespec times[2] = {{.tv_sec = written}, {.tv_sec = written}};
	const struct {
		int64_t made_s;
		int status;
	} cases[] = {{written, 200},
		     {window - 1, 200},
		     {window, 200},
		     {written - SIGNATURE_SECONDS, 403},
		     {window + 2 * SIGNATURE_SECONDS, 403}};
	char path[128];
	struct ll x;

	open_ll(&x, 1);
	write_file(&x, "v1000.m4s", "whole");
	snprintf(path, sizeof(path), "%s/5/0/v1000.m4s", x.w.folder);
	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	for (size_t i = 0; i < array_size(cases); i++)
		expect(&x.w, dash_path(&x, "v1000.m4s", cases[i].made_s), "", cases[i].status,
		       NULL);
	/* one that grows has no time yet */
	write_file(&x, "v1001.tmp", "grows");
	add_part(&x, SEGMENT_INDEPENDENT);
	expect(&x.w, dash_path(&x, "v1001.m4s", window - 2 * SIGNATURE_SECONDS), "", 403, NULL);
	close_world(&x.w);
}

/* A client without chunks learns of the end by that of the connection, however it came. */
static void ask_old(struct ll *x, struct answer *to, const char *path)
{
	char text[256];
	struct fm_client c;

	snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", path);
	fm_connect(&c, x->w.master.port, text, 0);
	memset(to, 0, sizeof(*to));
	to->fd = c.fd;
	for (unsigned i = 0; i < 20; i++) {
		turn(&x->w);
		usleep(1000);
		cr_assert_not(answered(to), "%s is answered at once: %s", path, to->text);
	}
}

Test(ll_dash, an_old_client_gets_a_segment_when_it_is_whole_or_not_at_all)
{
	struct answer last;
	struct ll x;

	open_ll(&x, 1);
	write_file(&x, "v1001.tmp", "grows");
	add_part(&x, SEGMENT_INDEPENDENT);
	ask_old(&x, &a, dash_path(&x, "v1001.m4s", time(NULL)));
	add_part(&x, 0);
	add_part(&x, 0);
	add_part(&x, SEGMENT_LAST);
	expect_answer(&x, &a, 200, "Content-Length: 400\r\n");
	cr_expect(strstr(a.text, "\r\n\r\ngrows0"), "%s", a.text);
	/* the source ends before the next one is complete */
	write_file(&x, "v1002.tmp", "ends");
	add_part(&x, SEGMENT_INDEPENDENT);
	ask_old(&x, &last, dash_path(&x, "v1002.m4s", time(NULL)));
	ring_writer_ended(&x.w.index.writer);
	expect_answer(&x, &last, 404, "there is no such segment");
	close_world(&x.w);
}
