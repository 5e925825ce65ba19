/* HLS in a worker: playlists from an index of segments, sessions, files. */
#include <sys/stat.h>
#include "worker/hls_world.h"

static void add_segment(struct world *x, uint32_t flags)
{
	struct segment s = {
		.number = x->next,
		.part = x->next,
		.first = x->next,
		.discontinuity = flags & SEGMENT_DISCONTINUITY ? 8 : 7,
		.start_90k = (int64_t)x->next * 4 * HZ,
		.duration_90k = 4 * HZ + 1,
		.wall_us = 1700000000000000 + x->next * 4000000ll,
		.made_s = x->made_s,
		.bytes = 1880,
		.oldest = MAX(FIRST, x->next - 4),
		.flags = SEGMENT_INDEPENDENT | SEGMENT_LAST | flags,
	};
	struct segment_media media = {.target_s = 4,
				      .independent = 1,
				      .peak_bps = 3000000,
				      .average_bps = 2000000,
				      .rate_milli = 25000,
				      .width = 1280,
				      .height = 720,
				      .streams = SEGMENT_HAS_PICTURE | SEGMENT_HAS_SOUND,
				      .picture = "avc1.64001f",
				      .sound = "mp4a.40.2"};

	add_entry(&x->index, &s, &media);
	x->next++;
}

static bool wanted(struct world *x)
{
	static struct msg raw;
	struct msg_want want;

	turn(x);
	while (msg_receive(x->master.socket, &raw) == 0) {
		if (raw.type != MSG_WANT)
			continue;
		cr_assert_eq(msg_decode_want(raw.bytes, raw.len, &want), 0);
		cr_assert_eq(want.form, OUTPUT_HLS_TS);
		x->index.want = want.want;
		return true;
	}
	return false;
}

/* A channel that runs, with so many segments; the text of `s` goes to `session`. */
static void start_channel(struct world *x, unsigned segments, char session[SESSION_TEXT + 1])
{
	const char *s;

	make_index(&x->index, 1, x->next);
	for (unsigned i = 0; i < segments; i++)
		add_segment(x, 0);
	ask(&a, x, "GET", "/hls/5/index.m3u8", "");
	await(x, wanted(x));
	cr_assert_not(answered(&a));
	send_index(x, &x->index, 1, 3);
	await(x, answered(&a));
	close(a.fd);
	cr_assert_eq(status_of(a.text), 200, "%s", a.text);
	s = strstr(a.text, "media.m3u8?s=");
	cr_assert_not_null(s, "%s", a.text);
	memcpy(session, s + strlen("media.m3u8?s="), SESSION_TEXT);
	session[SESSION_TEXT] = '\0';
}

static const char *media_path(const char *session)
{
	static char path[256];

	snprintf(path, sizeof(path), "/hls/5/media.m3u8?s=%s", session);
	return path;
}

Test(hls, the_first_request_waits_for_the_channel)
{
	char session[SESSION_TEXT + 1];
	struct world x;

	open_world(&x, (struct fm_settings){0});
	start_channel(&x, 3, session);
	cr_expect(strstr(a.text, "Content-Type: application/vnd.apple.mpegurl\r\n"));
	cr_expect(strstr(a.text, "Cache-Control: no-store\r\n"));
	cr_expect(strstr(a.text, "#EXT-X-STREAM-INF:BANDWIDTH=3000000,AVERAGE-BANDWIDTH=2000000,"
				 "CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,"
				 "FRAME-RATE=25.000\nmedia.m3u8?s="),
		  "%s", a.text);
	close_world(&x);
}

Test(hls, a_media_playlist_lists_the_window)
{
	char session[SESSION_TEXT + 1];
	struct world x;
	const char *text;

	open_world(&x, (struct fm_settings){0});
	start_channel(&x, 3, session);
	add_segment(&x, SEGMENT_DISCONTINUITY);
	text = get(&x, media_path(session), "");
	cr_assert_eq(status_of(text), 200, "%s", text);
	cr_expect(strstr(text, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n"
			       "#EXT-X-MEDIA-SEQUENCE:1000\n#EXT-X-DISCONTINUITY-SEQUENCE:7\n"
			       "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-PROGRAM-DATE-TIME:"
			       "2023-11-14T23:20:00.000Z\n#EXTINF:4.000011,\n~"),
		  "%s", text);
	cr_expect(strstr(text, "/0/1002.ts\n#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:"), "%s",
		  text);
	cr_expect(strstr(text, "/0/1003.ts\n") && !strstr(text, "ENDLIST"), "%s", text);
	cr_expect(strstr(text, "Cache-Control: no-cache\r\n"));
	for (unsigned i = 0; i < 4; i++)
		add_segment(&x, 0);
	text = get(&x, media_path(session), "");
	cr_expect(strstr(text, "#EXT-X-MEDIA-SEQUENCE:1003\n"), "%s", text);
	cr_expect_null(strstr(text, "/0/1002.ts"));
	cr_expect(strstr(text, "/0/1007.ts\n"));
	close_world(&x);
}

static size_t count_dates(struct segment_media media, uint32_t flags)
{
	struct segment entries[] = {{.number = 5, .duration_90k = HZ},
				    {.number = 6, .duration_90k = HZ - 1, .flags = flags}};
	struct hls_media m = {.media = &media, .entries = entries, .count = 2};
	static const uint8_t key[MEDIA_KEY_BYTES];
	struct hls_place place = {.key = key, .prefix = ""};
	struct buf b = BUF_INIT;
	size_t dates = 0;

	hls_text_media(&b, &place, &m);
	cr_expect(strstr(b.data, "#EXTINF:0.999988,\n~"), "%s", b.data);
	for (const char *at = b.data; (at = strstr(at, "#EXT-X-PROGRAM-DATE-TIME:")); at++)
		dates++;
	buf_done(&b);
	return dates;
}

Test(hls, a_short_segment_among_longer_ones_has_no_date)
{
	struct segment_media usual = {.target_s = 2}, short_ones = {.target_s = 1};

	cr_expect_eq(count_dates(usual, 0), 1);
	cr_expect_eq(count_dates(usual, SEGMENT_DISCONTINUITY), 2);
	cr_expect_eq(count_dates(short_ones, 0), 2);
}

Test(hls, codecs_that_lack_a_stream_are_left_out)
{
	static const struct {
		uint32_t streams;
		const char *picture, *sound, *beside, *text;
	} cases[] = {
		{3, "avc1.64001f", "mp4a.40.2", NULL, ",CODECS=\"avc1.64001f,mp4a.40.2\"\n"},
		{3, "avc1.64001f", "", NULL, NULL},
		{3, "", "mp4a.40.2", NULL, NULL},
		{SEGMENT_HAS_PICTURE, "avc1.64001f", "", NULL, ",CODECS=\"avc1.64001f\"\n"},
		{SEGMENT_HAS_SOUND, "", "mp4a.40.2", NULL, ",CODECS=\"mp4a.40.2\","},
		{3, "avc1.64001f", "", "ac-3", ",CODECS=\"avc1.64001f,ac-3\",AUDIO"},
		{3, "avc1.64001f", "", "", NULL},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct hls_variant variant = {.name = "", .media = {.streams = cases[i].streams}};
		struct hls_sound sound = {.variant = "", .track = ""};
		struct hls_multivariant m = {.variants = &variant,
					     .count = 1,
					     .form = OUTPUT_HLS_TS,
					     .sounds = &sound,
					     .sound_count = cases[i].beside ? 1 : 0,
					     .session = "",
					     .region = ""};
		struct buf b = BUF_INIT;

		strcpy(variant.media.picture, cases[i].picture);
		strcpy(variant.media.sound, cases[i].sound);
		strcpy(sound.media.sound, cases[i].beside ? cases[i].beside : "");
		hls_text_multivariant(&b, &m);
		cr_expect(cases[i].text ? strstr(b.data, cases[i].text) != NULL
					: !strstr(b.data, "CODECS"),
			  "%zu: %s", i, b.data);
		buf_done(&b);
	}
}

/* A player that is told nothing of captions fetches segments to see whether there are any. */
Test(hls, captions_are_listed_or_said_to_be_missing)
{
	static const char group[] = "TYPE=CLOSED-CAPTIONS,GROUP-ID=\"captions\",NAME=\"CC1\","
				    "INSTREAM-ID=\"CC1\"\n";
	static const struct {
		enum segment_captions of[2];
		const char *first, *second; /* NULL = nothing is said */
	} cases[] = {
		{{CAPTIONS_NONE, CAPTIONS_NONE}, "NONE\n", "NONE\n"},
		{{CAPTIONS_NONE, CAPTIONS_UNKNOWN}, NULL, NULL},
		{{CAPTIONS_CARRIED, CAPTIONS_CARRIED}, "\"captions\"\n", "\"captions\"\n"},
		{{CAPTIONS_CARRIED, CAPTIONS_UNKNOWN}, "\"captions\"\n", NULL},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct hls_variant variants[2] = {{.name = "a"}, {.name = "b"}};
		struct hls_multivariant m = {.variants = variants,
					     .count = 2,
					     .form = OUTPUT_HLS_TS,
					     .session = "",
					     .region = ""};
		struct buf b = BUF_INIT;
		unsigned said = 0;

		for (unsigned v = 0; v < 2; v++) {
			variants[v].media.captions = cases[i].of[v];
			strcpy(variants[v].media.picture, "avc1.64001f");
		}
		hls_text_multivariant(&b, &m);
		for (const char *at = b.data; (at = strstr(at, ",CLOSED-CAPTIONS=")); at++) {
			const char *name = strchr(at, '=') + 1, *link = strstr(at, "variant=");
			const char *wanted = link[8] == 'a' ? cases[i].first : cases[i].second;

			cr_assert(wanted, "%zu: %s", i, b.data);
			cr_expect(!strncmp(name, wanted, strlen(wanted)), "%zu: %s", i, b.data);
			said++;
		}
		cr_expect_eq(said, (cases[i].first != NULL) + (cases[i].second != NULL), "%s",
			     b.data);
		cr_expect_eq(strstr(b.data, group) != NULL, cases[i].of[0] == CAPTIONS_CARRIED);
		buf_done(&b);
	}
}

static struct hls_sound sound_of(const char *track, const char *name, const char *codec,
				 uint32_t bps)
{
	struct hls_sound s = {.variant = "", .track = track};

	s.media.peak_bps = bps;
	s.media.channels = 2;
	strcpy(s.media.name, name);
	strcpy(s.media.sound, codec);
	return s;
}

static char *multivariant(const struct hls_variant *variants, size_t count,
			  const struct hls_sound *sounds, size_t sound_count, enum output_form form)
{
	struct hls_multivariant m = {.variants = variants,
				     .count = count,
				     .form = form,
				     .sounds = sounds,
				     .sound_count = sound_count,
				     .session = "77",
				     .region = ""};
	struct buf b = BUF_INIT;

	hls_text_multivariant(&b, &m);
	cr_assert(buf_ok(&b));
	return b.data;
}

Test(hls, each_codec_of_sound_is_a_group_with_all_variants)
{
	struct hls_variant variants[2] = {{.name = ""}, {.name = "low"}};
	struct hls_sound sounds[4] = {sound_of("", "deu", "mp4a.40.2", 100),
				      sound_of("eng", "eng", "ac-3", 400),
				      sound_of("deu-ad", "deu-ad", "mp4a.40.2", 200),
				      sound_of("und-2", "und-2", "mp4a.40.2", 50)};
	char *text;

	for (size_t i = 0; i < 2; i++) {
		variants[i].media.streams = SEGMENT_HAS_PICTURE | SEGMENT_HAS_SOUND;
		variants[i].media.peak_bps = 1000 - 500 * (uint32_t)i;
		strcpy(variants[i].media.picture, "avc1.64001f");
	}
	text = multivariant(variants, 2, sounds, 4, OUTPUT_CMAF_PICTURE);
	cr_expect_str_eq(
		text,
		"#EXTM3U\n#EXT-X-VERSION:6\n"
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Deutsch\",LANGUAGE=\"de\","
		"DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"media.m3u8?track=sound&s=77\"\n"
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound-ac-3\",NAME=\"English\",LANGUAGE=\"en\","
		"DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\","
		"URI=\"media.m3u8?track=sound&lang=eng&s=77\"\n"
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Deutsch (audio description)\","
		"LANGUAGE=\"de\",DEFAULT=NO,AUTOSELECT=YES,"
		"CHARACTERISTICS=\"public.accessibility.describes-video\",CHANNELS=\"2\","
		"URI=\"media.m3u8?track=sound&lang=deu-ad&s=77\"\n"
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"2\",DEFAULT=NO,AUTOSELECT=YES,"
		"CHANNELS=\"2\",URI=\"media.m3u8?track=sound&lang=und-2&s=77\"\n"
		"#EXT-X-STREAM-INF:BANDWIDTH=1200,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"sound\"\n"
		"media.m3u8?track=picture&s=77\n"
		"#EXT-X-STREAM-INF:BANDWIDTH=700,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"sound\"\n"
		"media.m3u8?variant=low&track=picture&s=77\n"
		"#EXT-X-STREAM-INF:BANDWIDTH=1400,CODECS=\"avc1.64001f,ac-3\",AUDIO=\"sound-ac-3\"\n"
		"media.m3u8?track=picture&s=77\n"
		"#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"avc1.64001f,ac-3\",AUDIO=\"sound-ac-3\"\n"
		"media.m3u8?variant=low&track=picture&s=77\n");
	free(text);
}

Test(hls, no_two_sounds_have_the_same_name)
{
	struct hls_sound sounds[3] = {sound_of("", "deu", "ac-3", 100),
				      sound_of("ger", "ger", "ac-3", 100),
				      sound_of("deu-2", "deu-2", "ac-3", 100)};
	struct hls_variant variant = {.name = ""};
	char *text = multivariant(&variant, 1, sounds, 3, OUTPUT_CMAF_PICTURE);

	cr_expect(strstr(text, "NAME=\"Deutsch\",LANGUAGE=\"de\""), "%s", text);
	cr_expect(strstr(text, "NAME=\"Deutsch (ger)\",LANGUAGE=\"de\""), "%s", text);
	cr_expect(strstr(text, "NAME=\"Deutsch 2\",LANGUAGE=\"de\""), "%s", text);
	free(text);
}

Test(hls, of_sound_alone_the_usual_one_is_the_variant)
{
	struct hls_sound sounds[3] = {sound_of("", "deu", "mp4a.40.2", 100),
				      sound_of("eng", "eng", "mp4a.40.2", 200),
				      sound_of("fra", "fra", "ac-3", 400)};
	struct hls_variant variant = {.name = "", .media = sounds[0].media};
	char *text;

	variant.media.streams = SEGMENT_HAS_SOUND;
	text = multivariant(&variant, 1, sounds, 3, OUTPUT_CMAF_SOUND);
	cr_expect(strstr(text, "NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=YES,AUTOSELECT=YES,"
			       "CHANNELS=\"2\"\n"),
		  "%s", text);
	cr_expect(strstr(text, "CHANNELS=\"2\",URI=\"media.m3u8?track=sound&lang=eng&s=77\"\n"));
	cr_expect(strstr(text,
			 "#EXT-X-STREAM-INF:BANDWIDTH=100,CODECS=\"mp4a.40.2\","
			 "AUDIO=\"sound\",CLOSED-CAPTIONS=NONE\nmedia.m3u8?track=sound&s=77\n"),
		  "%s", text);
	cr_expect(strstr(text, "#EXT-X-STREAM-INF:BANDWIDTH=400,CODECS=\"ac-3\","
			       "AUDIO=\"sound-ac-3\",CLOSED-CAPTIONS=NONE\n"
			       "media.m3u8?track=sound&lang=fra&s=77\n"),
		  "%s", text);
	free(text);
}

Test(hls, a_discontinuity_in_front_of_the_list_is_counted_once)
{
	char session[SESSION_TEXT + 1];
	struct world x;
	const char *text;

	open_world(&x, (struct fm_settings){0});
	start_channel(&x, 1, session);
	add_segment(&x, SEGMENT_DISCONTINUITY);
	for (unsigned i = 0; i < 4; i++)
		add_segment(&x, 0);
	text = get(&x, media_path(session), "");
	cr_expect(strstr(text, "#EXT-X-MEDIA-SEQUENCE:1001\n#EXT-X-DISCONTINUITY-SEQUENCE:7\n"
			       "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-DISCONTINUITY\n"),
		  "%s", text);
	close_world(&x);
}

Test(hls, a_new_generation_goes_on_in_the_same_playlist)
{
	char session[SESSION_TEXT + 1];
	struct world x;
	int before;

	open_world(&x, (struct fm_settings){0});
	start_channel(&x, 3, session);
	ring_writer_close(&x.index.writer);
	before = x.index.ring;
	make_index(&x.index, 2, x.next);
	close(before);
	add_segment(&x, SEGMENT_DISCONTINUITY);
	send_index(&x, &x.index, 2, 3);
	await(&x, strstr(get(&x, media_path(session), ""), "/0/1003.ts"));
	cr_expect(strstr(a.text, "#EXT-X-MEDIA-SEQUENCE:1003\n"), "%s", a.text);
	close_world(&x);
}

Test(hls, the_reason_of_a_failure_reaches_the_request)
{
	struct msg_output_gone gone = {
		.reason = GONE_FAILED, .status = 502, .text = "the source is \"gone\""};
	struct world x;

	open_world(&x, (struct fm_settings){0});
	ask(&a, &x, "GET", "/hls/5.m3u8", "");
	await(&x, wanted(&x));
	gone.want = x.index.want;
	cr_assert_eq(msg_send_output_gone(x.master.socket, &gone, NULL), 0);
	await(&x, answered(&a));
	cr_assert_eq(status_of(a.text), 502);
	cr_assert(strstr(a.text, "the source is \\\"gone\\\""), "%s", a.text);
	close(a.fd);
	close_world(&x);
}

Test(hls, a_source_that_ended_ends_the_playlist)
{
	struct msg_output_gone gone = {.reason = GONE_ENDED, .status = 502, .text = "it is over"};
	char session[SESSION_TEXT + 1];
	struct world x;

	open_world(&x, (struct fm_settings){0});
	start_channel(&x, 3, session);
	ring_writer_ended(&x.index.writer);
	gone.want = x.index.want;
	cr_assert_eq(msg_send_output_gone(x.master.socket, &gone, NULL), 0);
	for (unsigned i = 0; i < 10; i++)
		turn(&x);
	expect(&x, media_path(session), "", 200, "/0/1002.ts\n#EXT-X-ENDLIST\n");
	/* a viewer who begins now starts it again */
	ask(&a, &x, "GET", "/hls/5/index.m3u8", "");
	await(&x, wanted(&x));
	close(a.fd);
	close_world(&x);
}

static uint32_t records(struct world *x, struct viewer_record *ret)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < WORKER_VIEWERS_MAX && n < 8; i++)
		n += worker_page_get(x->master.page, i, ret) == 0;
	return n;
}

Test(hls, a_session_is_one_viewer)
{
	char session[SESSION_TEXT + 1];
	struct viewer_record r;
	struct world x;

	open_world(&x, (struct fm_settings){0});
	start_channel(&x, 3, session);
	for (unsigned i = 0; i < 3; i++)
		expect(&x, media_path(session), "", 200, "#EXTINF");
	cr_assert_eq(fm_page(&x.master)->viewers_open, 1);
	cr_assert_eq(records(&x, &r), 1);
	cr_assert_eq(r.protocol, VIEWER_HLS);
	cr_assert_eq(r.channel, FM_CHANNEL);
	cr_assert_eq(r.output, 3);
	cr_assert_str_eq(r.user_agent, "box");
	/* it was kicked: it may not come back, a new one may */
	cr_assert_eq(msg_send_kick(x.master.socket, &(struct msg_kick){.serial = r.serial}, NULL),
		     0);
	await(&x, fm_page(&x.master)->viewers_open == 0);
	expect(&x, media_path(session), "", 401, "ended");
	expect(&x, "/hls/5/index.m3u8", "", 200, NULL);
	cr_assert_eq(fm_page(&x.master)->viewers_open, 1);
	close_world(&x);
}

Test(hls, the_single_playlist_has_one_viewer_for_each_client)
{
	char session[SESSION_TEXT + 1];
	struct world x;

	open_world(&x, (struct fm_settings){0});
	start_channel(&x, 3, session);
	expect(&x, "/hls/5.m3u8", "", 200, "\n5/~");
	expect(&x, "/hls/5.m3u8", "", 200, "\n5/~");
	cr_assert_eq(fm_page(&x.master)->viewers_open, 2);
	expect(&x, "/hls/5.m3u8", "User-Agent2: x\r\n", 200, NULL);
	cr_assert_eq(fm_page(&x.master)->viewers_open, 2);
	close_world(&x);
}

Test(hls, at_the_limit_the_oldest_session_of_the_client_yields)
{
	char session[SESSION_TEXT + 1];
	struct world x;

	open_world(&x, (struct fm_settings){.max_viewers = 1});
	start_channel(&x, 3, session);
	expect(&x, "/hls/5/index.m3u8", "", 200, NULL);
	cr_assert_eq(fm_page(&x.master)->viewers_open, 1);
	expect(&x, media_path(session), "", 401, "ended");
	close_world(&x);
}

/* A session whose token has a limit, and a request of it that waits for the grant. */
struct waiting {
	struct session_request q;
	struct viewer_record record;
	struct reply reply;
	struct holds holds;
	int status; /* of its answer: 0 = none yet, 200 = no error */
};

static void note_status(void *owner, const struct held_error *error)
{
	((struct waiting *)owner)->status = error ? error->status : 200;
}

/* Publishes a token with a limit; its name in records. */
static uint64_t give_token(struct world *x)
{
	static struct {
		struct tokens_header header;
		struct token_entry entry;
	} image;
	struct snapshot **at = &x->worker.context.snapshots[SNAPSHOT_TOKENS];

	image.header = (struct tokens_header){.snapshot = {.magic = TOKENS_MAGIC,
							   .version = TOKENS_VERSION,
							   .header_bytes = sizeof(image.header),
							   .total_bytes = sizeof(image),
							   .generation = 2},
					      .count = 1};
	image.entry = (struct token_entry){
		.token = "limited", .max_viewers = 1, .expires_wall_us = TIME_NONE};
	snapshot_unref(*at);
	cr_assert_eq(snapshot_open_memory(&tokens_type, &image, sizeof(image), at), 0);
	return tokens_name(tokens_of(*at), tokens_find(tokens_of(*at), "limited", 7, 0));
}

static void begin_waiting(struct world *x, struct waiting *w, uint64_t token)
{
	struct sessions *all = &x->worker.segments.sessions;

	*w = (struct waiting){.q = {.number = sessions_number(all),
				    .channel = FM_CHANNEL,
				    .variant = "",
				    .protocol = VIEWER_HLS,
				    .agent = {"box", 3},
				    .token_name = token,
				    .token_room = true,
				    .counted = true,
				    .slot = UINT32_MAX}};
	reply_init(&w->reply);
	holds_init(&w->holds);
	cr_assert_eq(sessions_touch(all, &w->q), SESSION_GOES_ON);
	cr_assert(sessions_hold(all, w->q.number, &w->reply));
	holds_add(&w->holds, &w->reply.held, clock_mono_us(), note_status, w);
	cr_assert_eq(records(x, &w->record), 1);
	cr_assert_eq(w->record.waits, 1);
	cr_assert_eq(w->record.session, 0, "no other worker finds it");
}

static void answer_grant(const struct world *x, const struct waiting *w, bool given)
{
	struct msg_grant m = {.serial = w->record.serial, .given = given};

	cr_assert_eq(msg_send_grant(x->master.socket, &m, NULL), 0);
}

Test(hls, a_session_is_found_by_other_workers_once_it_has_its_grant)
{
	struct viewer_record r;
	struct waiting w;
	struct world x;

	open_world(&x, (struct fm_settings){0});
	begin_waiting(&x, &w, 77);
	answer_grant(&x, &w, true);
	await(&x, w.status);
	cr_expect_eq(w.status, 200);
	cr_assert_eq(records(&x, &r), 1);
	cr_expect(r.session == w.q.number && !r.waits);
	cr_expect_eq(worker_page_token_viewers(x.master.page, 77), 1);
	reply_done(&w.reply);
	close_world(&x);
}

Test(hls, a_session_that_waits_for_its_grant_ends_with_the_reason)
{
	struct waiting w;
	struct world x;

	open_world(&x, (struct fm_settings){0});
	begin_waiting(&x, &w, 77);
	answer_grant(&x, &w, false);
	await(&x, w.status);
	cr_expect_eq(w.status, 401, "its token is gone, and the master's answer comes first");
	reply_done(&w.reply);
	begin_waiting(&x, &w, give_token(&x));
	answer_grant(&x, &w, false);
	await(&x, w.status);
	cr_expect_eq(w.status, 429, "its token has its viewers");
	reply_done(&w.reply);
	begin_waiting(&x, &w, 77);
	cr_assert_eq(
		msg_send_kick(x.master.socket, &(struct msg_kick){.serial = w.record.serial}, NULL),
		0);
	await(&x, w.status);
	cr_expect_eq(w.status, 401, "its rights have ended");
	cr_expect_eq(fm_page(&x.master)->viewers_open, 0);
	reply_done(&w.reply);
	close_world(&x);
}

Test(hls, a_session_that_two_workers_begin_is_one_viewer)
{
	void *other = calloc(1, WORKER_PAGE_BYTES);
	struct viewer_record theirs = {.serial = 1ull << VIEWER_SERIAL_SHIFT | 1};
	struct waiting w;
	struct world x;

	for (int given = 0; given < 2; given++) {
		open_world(&x, (struct fm_settings){0});
		begin_waiting(&x, &w, 77);
		theirs.session = w.q.number;
		memset(other, 0, WORKER_PAGE_BYTES);
		worker_page_put(other, 0, &theirs);
		((struct worker_page *)other)->records_used = 1;
		x.worker.context.pages[1] = other;
		x.worker.context.page_count = 2;
		answer_grant(&x, &w, given);
		await(&x, w.status);
		cr_expect_eq(w.status, 200);
		cr_expect_eq(fm_page(&x.master)->viewers_open, 0);
		cr_expect(sessions_live(&x.worker.segments.sessions, w.q.number));
		reply_done(&w.reply);
		x.worker.context.pages[1] = NULL;
		close_world(&x);
	}
	free(other);
}

Test(hls, wrong_sessions_are_refused)
{
	static const char *const wrong[] = {
		"", "1", "../../etc/passwd", "%00", "00", NULL,
	};
	char session[SESSION_TEXT + 1];
	struct world x;

	open_world(&x, (struct fm_settings){0});
	start_channel(&x, 3, session);
	for (size_t i = 0; wrong[i]; i++)
		expect(&x, media_path(wrong[i]), "", 401, "session");
	expect(&x, "/hls/5/media.m3u8", "", 401, "session");
	for (size_t i = 0; i < SESSION_TEXT; i++) {
		char other[SESSION_TEXT + 1];

		strcpy(other, session);
		other[i] = other[i] == '0' ? '1' : '0';
		expect(&x, media_path(other), "", 401, "session");
	}
	cr_assert_eq(fm_page(&x.master)->viewers_open, 1);
	close_world(&x);
}

/* Writes a file of the channel and returns the path that serves it. */
static const char *write_file(struct world *x, const char *name, const char *bytes)
{
	static char path[256];
	char file[128], signature[SIGNATURE_TEXT + 1];
	struct stat st;
	FILE *f;

	snprintf(file, sizeof(file), "%s/5", x->folder);
	mkdir(file, 0700);
	snprintf(file, sizeof(file), "%s/5/0", x->folder);
	mkdir(file, 0700);
	snprintf(file, sizeof(file), "%s/5/0/%s", x->folder, name);
	f = fopen(file, "w");
	cr_assert_not_null(f);
	fputs(bytes, f);
	fclose(f);
	cr_assert_eq(stat(file, &st), 0);
	signature_write(x->worker.context.media_key, FM_CHANNEL, st.st_mtim.tv_sec, signature);
	snprintf(path, sizeof(path), "/hls/5/~%s/0/%s", signature, name);
	return path;
}

/* Entries of two windows of ten minutes: the address of each is that of its own time. */
Test(hls, a_listed_address_outlives_the_change_of_the_signature)
{
	char session[SESSION_TEXT + 1], signature[2][SIGNATURE_TEXT + 1], line[96];
	struct world x;
	const char *text;

	open_world(&x, (struct fm_settings){0});
	x.made_s = 1700000400 - 1;
	start_channel(&x, 1, session);
	signature_write(x.worker.context.media_key, FM_CHANNEL, 1700000400 - 1, signature[0]);
	signature_write(x.worker.context.media_key, FM_CHANNEL, 1700000400, signature[1]);
	cr_assert_str_neq(signature[0], signature[1]);
	x.made_s = 1700000400;
	add_segment(&x, 0);
	text = get(&x, media_path(session), "");
	for (unsigned i = 0; i < 2; i++) {
		snprintf(line, sizeof(line), "\n~%s/0/%u.ts\n", signature[i], FIRST + i);
		cr_expect(strstr(text, line), "%s lacks %s", text, line);
	}
	close_world(&x);
}

Test(hls, browsers_can_read_every_refusal)
{
	static const char *const wrong[] = {
		"GET /hls/1/\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /hls/1/index.m3u8 HTTP/9.9\r\nHost: a\r\n\r\n",
		"GET /dash/1/manifest.mpd HTTP/1.1\r\n\r\n",
		"GET /dash/1/manifest.mpd HTTP/1.1\r\nHost: a\r\n\r\n",
		"PATCH /hls/1/index.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /hls/1?%zz HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
	};
	struct fm_client c;
	struct world x;

	open_world(&x, (struct fm_settings){0});
	for (size_t i = 0; i < array_size(wrong); i++) {
		fm_connect(&c, x.master.port, wrong[i], 0);
		memset(&a, 0, sizeof(a));
		a.fd = c.fd;
		await(&x, answered(&a));
		close(a.fd);
		cr_expect_geq(status_of(a.text), 400, "%s", wrong[i]);
		cr_expect(strstr(a.text, "\r\nAccess-Control-Allow-Origin: *\r\n"
					 "Access-Control-Expose-Headers: Content-Range, Date, "
					 "ETag\r\n"),
			  "%s: %s", wrong[i], a.text);
	}
	/* elsewhere it is off */
	fm_connect(&c, x.master.port, "GET /ui\x01/hls/ HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	memset(&a, 0, sizeof(a));
	a.fd = c.fd;
	await(&x, answered(&a));
	close(a.fd);
	cr_expect_null(strstr(a.text, "Access-Control-Allow-Origin"), "%s", a.text);
	close_world(&x);
}

Test(hls, segments_are_files_with_validators_and_ranges)
{
	char path[256], tag[128], field[160], *at;
	struct world x;

	open_world(&x, (struct fm_settings){0});
	strcpy(path, write_file(&x, "7.ts", "0123456789"));
	expect(&x, path, "", 200, "\r\n\r\n0123456789");
	cr_expect(strstr(a.text, "Content-Type: video/mp2t\r\nContent-Length: 10\r\n"
				 "Accept-Ranges: bytes\r\nETag: \""),
		  "%s", a.text);
	cr_expect(strstr(a.text, "Cache-Control: public, max-age=3600, immutable\r\n"));
	at = strstr(a.text, "ETag: ") + 6;
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(at, "\r"), at);
	snprintf(field, sizeof(field), "If-None-Match: %s\r\n", tag);
	expect(&x, path, field, 304, NULL);
	expect(&x, path, "Range: bytes=2-4\r\n", 206, "\r\n\r\n234");
	cr_expect(strstr(a.text, "Content-Range: bytes 2-4/10\r\n"), "%s", a.text);
	cr_expect(strstr(a.text, "Content-Length: 3\r\n"), "%s", a.text);
	expect(&x, path, "Range: bytes=-2\r\n", 206, "\r\n\r\n89");
	expect(&x, path, "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n", 200, "\r\n\r\n0123456789");
	snprintf(field, sizeof(field), "Range: bytes=2-4\r\nIf-Range: %s\r\n", tag);
	expect(&x, path, field, 206, "\r\n\r\n234");
	expect(&x, path, "Range: bytes=10-\r\n", 416, "Content-Range: bytes */10\r\n");
	cr_expect_null(strstr(a.text, "immutable"));
	ask(&a, &x, "HEAD", path, "Range: bytes=2-4\r\n");
	await(&x, answered(&a) || strstr(a.text, "\r\n\r\n"));
	cr_expect_eq(status_of(a.text), 200);
	cr_expect(strstr(a.text, "Content-Length: 10\r\n"), "%s", a.text);
	close(a.fd);
	cr_assert_eq(fm_page(&x.master)->bytes_sent, 10 + 3 + 2 + 10 + 3);
	close_world(&x);
}

Test(hls, an_empty_segment_is_an_answer)
{
	struct world x;

	open_world(&x, (struct fm_settings){0});
	expect(&x, write_file(&x, "7.ts", ""), "", 200, "Content-Length: 0\r\n");
	close_world(&x);
}

Test(hls, only_signed_segments_are_served)
{
	static const char *const paths[] = {
		"/hls/5/~/0/7.ts",
		"/hls/5/~0123456789abcdef0123456789abcdef/0/7.ts",
		"/hls/5/0/7.ts",
	};
	char path[256], file[160];
	struct world x;

	open_world(&x, (struct fm_settings){0});
	strcpy(path, write_file(&x, "7.ts", "0123456789"));
	for (size_t i = 0; i < array_size(paths); i++)
		cr_expect_geq(status_of(get(&x, paths[i], "")), 403, "%s", paths[i]);
	/* the same file, an hour later: no longer its signature */
	snprintf(file, sizeof(file), "touch -d '1 hour ago' %s/5/0/7.ts", x.folder);
	cr_assert_eq(system(file), 0);
	expect(&x, path, "", 403, "signature");
	close_world(&x);
}

Test(hls, nothing_but_plain_files_below_the_folder_is_opened)
{
	static const char *const names[] = {"8.ts",   "08.ts",		"-1.ts",
					    "+7.ts",  "7.ts.ts",	"4294967303.ts",
					    "7%2ets", "..%2f..%2f7.ts", "x.ts"};
	char path[256], command[512], signature[SIGNATURE_TEXT + 1];
	struct world x;

	open_world(&x, (struct fm_settings){0});
	write_file(&x, "7.ts", "0123456789");
	snprintf(command, sizeof(command),
		 "cd %s/5/0 && mkfifo 20.ts && ln -s 7.ts 21.ts && ln -s /etc/passwd 22.ts && "
		 "mkdir 23.ts && ln -s . ../1",
		 x.folder);
	cr_assert_eq(system(command), 0);
	signature_write(x.worker.context.media_key, FM_CHANNEL, time(NULL), signature);
	for (unsigned n = 20; n < 24; n++) {
		snprintf(path, sizeof(path), "/hls/5/~%s/0/%u.ts", signature, n);
		expect(&x, path, "", 404, NULL);
	}
	snprintf(path, sizeof(path), "/hls/5/~%s/1/7.ts", signature);
	expect(&x, path, "", 404, NULL);
	for (size_t i = 0; i < array_size(names); i++) {
		snprintf(path, sizeof(path), "/hls/5/~%s/0/%s", signature, names[i]);
		cr_expect_geq(status_of(get(&x, path, "")), 400, "%s", path);
	}
	close_world(&x);
}

Test(hls, a_session_that_was_ended_may_return_after_a_while)
{
	struct world x;
	struct session_uses *uses;
	const struct sessions *sessions = &x.worker.segments.sessions;

	open_world(&x, (struct fm_settings){});
	uses = worker_page_uses(x.master.page);
	uses->ended_us[3] = clock_mono_us() - SESSION_AWAY_US / 2;
	uses->ended[3] = 77;
	cr_expect_not(sessions_may_return(sessions, 77));
	uses->ended_us[3] = clock_mono_us() - SESSION_AWAY_US * 2;
	cr_expect(sessions_may_return(sessions, 77));
	cr_expect_not(sessions_may_return(sessions, 78), "it was not ended");
	close_world(&x);
}
