/* test_facts.c - CODECS from the headers of a stream. */
#include "unit.h"
#include <string.h>
#include <libavcodec/avcodec.h>

#include "amps-transcoder/segment/facts.h"

static struct facts f;
static struct ts_parse parse;

/* A programme with these streams; NULL = none. */
static void programme(const char *picture, const char *sound)
{
	unsigned n = 0;

	ts_parse_init(&parse);
	if (picture) {
		parse.streams[n] =
			(struct ts_stream){.pid = 0x101, .kind = TS_KIND_VIDEO, .codec = picture};
		parse.video_pid = 0x101;
		parse.stream_of[0x101] = (uint8_t)++n;
	}
	if (sound) {
		parse.streams[n] =
			(struct ts_stream){.pid = 0x102, .kind = TS_KIND_AUDIO, .codec = sound};
		parse.audio_pid = 0x102;
		parse.stream_of[0x102] = (uint8_t)++n;
	}
	parse.stream_count = n;
	facts_begin(&f, &parse);
}

static void give(struct facts_unit *u, const void *bytes, size_t n)
{
	cr_assert_leq(n, sizeof(u->bytes));
	memcpy(u->bytes, bytes, n);
	u->len = n;
}

static const struct segment_media *read_facts(void)
{
	static struct segment_media m;

	m = (struct segment_media){0};
	facts_read(&f, &parse, &m);
	return &m;
}

static const char *hevc(const uint8_t *sps, size_t n)
{
	programme("hevc", NULL);
	give(&f.video, sps, n);
	return read_facts()->picture;
}

Test(facts, hevc_has_profile_compatibility_tier_level_and_constraints)
{
	/* Main, level 3.1, as libx265 writes it: with emulation prevention bytes */
	static const uint8_t main_31[] = {
		0, 0,	 0,    1, 0x40, 1,    0x0c, 0,	  0,	1,    0x42, 1, 1,
		1, 0x60, 0,    0, 3,	0,    0x90, 0,	  0,	3,    0,    0, 3,
		0, 0x5d, 0xa0, 2, 0x80, 0x80, 0x2d, 0x16, 0x59, 0x59, 0xa4};
	/* Main 10, high tier, level 5.1, one byte of constraints */
	static const uint8_t main10_high[] = {0, 0, 1, 0x42, 1,	   1,	 0x22, 0x20,
					      0, 0, 3, 0,    0xb0, 0,	 0,    3,
					      0, 0, 3, 0,    0x99, 0xa0, 1,    0xe0};
	/* a profile space, all constraint bytes */
	static const uint8_t odd[] = {0, 0, 1, 0x42, 1, 1,    0x41, 0x80, 1, 1,
				      1, 1, 2, 3,    4, 0x50, 6,    0x5a, 0};

	cr_expect_str_eq(hevc(main_31, sizeof(main_31)), "hvc1.1.6.L93.90");
	cr_expect_str_eq(hevc(main10_high, sizeof(main10_high)), "hvc1.2.4.H153.B0");
	cr_expect_str_eq(hevc(odd, sizeof(odd)), "hvc1.A1.80808001.L90.1.2.3.4.50.6");
	/* cut in the middle: nothing is better than a guess */
	cr_expect_str_eq(hevc(main_31, 20), "");
}

Test(facts, sound_has_its_layer_and_object_type)
{
	static const struct {
		const char *codec;
		uint8_t head[4];
		const char *text;
	} cases[] = {
		{"mp2", {0xff, 0xfd, 0x94, 0}, "mp4a.40.33"}, /* layer II */
		{"mp2", {0xff, 0xfb, 0x94, 0}, "mp4a.40.34"}, /* layer III: MP3 */
		{"mp2", {0xff, 0xf3, 0x94, 0}, "mp4a.40.34"}, /* ... of MPEG-2 */
		{"mp2", {0xff, 0xf9, 0x94, 0}, ""},	      /* reserved */
		{"mp2", {0x12, 0x34, 0x56, 0}, ""},
		{"aac", {0xff, 0xf1, 0x4c, 0x80}, "mp4a.40.2"},
		{"aac", {0xff, 0xf1, 0x0c, 0x80}, "mp4a.40.1"},
		{"ac3", {0x0b, 0x77, 0, 0}, "ac-3"},
		{"eac3", {0x0b, 0x77, 0, 0}, "ec-3"},
		{"dts", {0x7f, 0xfe, 0x80, 1}, ""},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		programme(NULL, cases[i].codec);
		give(&f.audio, cases[i].head, sizeof(cases[i].head));
		cr_expect_str_eq(read_facts()->sound, cases[i].text, "%zu: %s", i,
				 read_facts()->sound);
	}
}

Test(facts, each_stream_has_its_own_codec)
{
	static const uint8_t sps[] = {0, 0, 1, 0x67, 0x4d, 0x40, 0x1f, 0x96, 0x56};
	static const uint8_t layer_2[] = {0xff, 0xfd, 0x94, 0};

	programme("h264", "dts");
	give(&f.video, sps, sizeof(sps));
	cr_expect_str_eq(read_facts()->picture, "avc1.4d401f");
	cr_expect_str_eq(read_facts()->sound, "");
	programme("mpeg2video", "mp2");
	give(&f.video, "\0\0\1\xb3", 4);
	give(&f.audio, layer_2, sizeof(layer_2));
	cr_expect_str_eq(read_facts()->picture, "mp4v.61");
	cr_expect_str_eq(read_facts()->sound, "mp4a.40.33");
}

static const struct segment_media *of_sound(enum AVCodecID id, const char *extra, int n, int rate)
{
	static struct segment_media m;
	AVCodecParameters *c = avcodec_parameters_alloc();

	c->codec_type = AVMEDIA_TYPE_AUDIO;
	c->codec_id = id;
	c->sample_rate = rate;
	c->extradata = av_mallocz((size_t)n + AV_INPUT_BUFFER_PADDING_SIZE);
	memcpy(c->extradata, extra, (size_t)n);
	c->extradata_size = n;
	m = (struct segment_media){0};
	facts_of_parameters(c, 0, &m);
	avcodec_parameters_free(&c);
	return &m;
}

Test(facts, sound_in_mp4_has_the_object_type_of_its_header)
{
	cr_expect_str_eq(of_sound(AV_CODEC_ID_AAC, "\x11\x90", 2, 48000)->sound, "mp4a.40.2");
	cr_expect_str_eq(of_sound(AV_CODEC_ID_AAC, "\x2b\x11\x88", 3, 24000)->sound, "mp4a.40.5");
	/* an escape: USAC is 42 */
	cr_expect_str_eq(of_sound(AV_CODEC_ID_AAC, "\xf9\x50", 2, 48000)->sound, "mp4a.40.42");
	cr_expect_str_eq(of_sound(AV_CODEC_ID_AAC, "", 0, 48000)->sound, "");
	cr_expect_str_eq(of_sound(AV_CODEC_ID_MP2, "", 0, 48000)->sound, "mp4a.6B");
	cr_expect_str_eq(of_sound(AV_CODEC_ID_MP3, "", 0, 22050)->sound, "mp4a.69");
	cr_expect_str_eq(of_sound(AV_CODEC_ID_EAC3, "", 0, 48000)->sound, "ec-3");
}

Test(facts, pictures_in_mp4_are_what_their_parameter_sets_say)
{
	static const uint8_t sps[] = {0, 0, 0, 1, 0x67, 0x64, 0, 0x1f, 0xac, 0xd9};
	AVCodecParameters *c = avcodec_parameters_alloc();
	struct segment_media m = {0};

	c->codec_type = AVMEDIA_TYPE_VIDEO;
	c->codec_id = AV_CODEC_ID_H264;
	c->width = 1280;
	c->height = 720;
	c->extradata = av_mallocz(sizeof(sps) + AV_INPUT_BUFFER_PADDING_SIZE);
	memcpy(c->extradata, sps, sizeof(sps));
	c->extradata_size = sizeof(sps);
	facts_of_parameters(c, 3600, &m);
	cr_expect_str_eq(m.picture, "avc1.64001f");
	cr_expect_str_eq(m.sound, "");
	cr_expect_eq(m.width, 1280);
	cr_expect_eq(m.height, 720);
	cr_expect_eq(m.rate_milli, 25000);
	avcodec_parameters_free(&c);
}

Test(facts, captions_are_found_in_the_data_of_a_picture)
{
	static const uint8_t with[] = {0,    0,	  0,   1,   6,	 4, 71,	  0xb5, 0,
				       0x31, 'G', 'A', '9', '4', 3, 0xd4, 0xff, 0xfc};
	static const uint8_t bars[] = {0, 0, 1, 0xb2, 'G', 'A', '9', '4', 6, 0xff};

	cr_expect_eq(facts_captions(with, sizeof(with)), CAPTIONS_CARRIED);
	cr_expect_eq(facts_captions(with, 14), CAPTIONS_NONE);
	cr_expect_eq(facts_captions(bars, sizeof(bars)), CAPTIONS_NONE, "bar data");
}
