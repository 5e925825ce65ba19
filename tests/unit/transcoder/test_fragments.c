/* test_fragments.c - a film's transport stream as fragments, read back by libav */
#include "fake_master.h"

#include <libavformat/avformat.h>
#include <stdio.h>

#include "amps-transcoder/av/memory_avio.h"
#include "amps-transcoder/segment/fragments.h"
#include "amps-transcoder/segment/units.h"

/* The fragments of one stream, init segment in front, and what went in. */
struct made {
	struct buf bytes;
	int64_t first_pts, end_dts;
	unsigned units, fragments;
};

static const char *film_path(void)
{
	return media_file("h264.ts", MEDIA_H264_AAC "-t 6 -f mpegts");
}

static uint8_t *film(size_t *ret_n)
{
	const char *path = film_path();
	uint8_t *bytes;
	FILE *f = fopen(path, "rb");

	cr_assert(f, "%s", path);
	fseek(f, 0, SEEK_END);
	*ret_n = (size_t)ftell(f) / TS_PACKET * TS_PACKET;
	rewind(f);
	bytes = malloc(*ret_n);
	cr_assert_eq(fread(bytes, 1, *ret_n, f), *ret_n);
	fclose(f);
	return bytes;
}

static void take_units(struct units *u, struct fragments **f, struct made *m, int64_t part)
{
	AVPacket *packet = av_packet_alloc();
	struct fragment got;

	while (units_next(u, packet) == 1) {
		if (units_changed(u)) {
			cr_assert_null(*f, "the film has one codec");
			cr_assert_eq(fragments_new(units_parameters(u), f), 0);
			buf_add(&m->bytes, fragments_init(*f)->data, fragments_init(*f)->len);
			m->first_pts = packet->pts;
		}
		if (fragments_first(*f) != AV_NOPTS_VALUE &&
		    packet->dts + packet->duration - fragments_first(*f) > part &&
		    fragments_cut(*f, &got) == 1) {
			cr_assert_leq(got.duration, part);
			buf_add(&m->bytes, got.bytes, got.len);
			m->fragments++;
		}
		cr_assert_eq(fragments_add(*f, packet), 0);
		m->end_dts = packet->dts + packet->duration;
		m->units++;
		av_packet_unref(packet);
	}
	av_packet_free(&packet);
}

static struct made make(bool sound, int64_t part)
{
	struct ts_parse *p = malloc(sizeof(*p));
	struct fragments *f = NULL;
	struct fragment got;
	struct made m = {0};
	struct units *u = NULL;
	size_t n;
	uint8_t *bytes = film(&n);

	ts_parse_init(p);
	for (size_t at = 0; at < n; at += TS_PACKET) {
		struct ts_rap rap;
		unsigned saw = ts_parse_packet(p, bytes + at, at, &rap);
		unsigned pid = sound ? p->audio_pid : p->video_pid;
		const struct ts_stream *s;

		if (pid == TS_PID_NONE || !p->stream_of[pid])
			continue;
		s = &p->streams[p->stream_of[pid] - 1];
		if (!u)
			cr_assert_eq(units_new(s, &u), 0);
		if (ts_pid(bytes + at) == pid)
			cr_assert_eq(units_packet(u, s, bytes + at, at), 0);
		if (saw & TS_SAW_RAP)
			units_access(u, rap.pos);
		take_units(u, &f, &m, part);
	}
	units_gap(u, true);
	take_units(u, &f, &m, part);
	cr_assert_eq(fragments_cut(f, &got), 1);
	buf_add(&m.bytes, got.bytes, got.len);
	cr_assert(buf_ok(&m.bytes));
	fragments_free(f);
	units_free(u);
	free(bytes);
	free(p);
	return m;
}

/* Reads the fragments back beside the film itself, packet by packet. */
static void compare(struct made *m, enum AVMediaType type, AVRational base)
{
	AVFormatContext *mine = avformat_alloc_context(), *theirs = NULL;
	AVPacket *a = av_packet_alloc(), *b = av_packet_alloc();
	unsigned packets = 0;
	int stream;

	cr_assert_eq(avformat_open_input(&theirs, film_path(), NULL, NULL), 0);
	cr_assert_geq(avformat_find_stream_info(theirs, NULL), 0);
	stream = av_find_best_stream(theirs, type, -1, -1, NULL, 0);
	mine->pb = memory_avio_open(&m->bytes);
	cr_assert_eq(avformat_open_input(&mine, "", NULL, NULL), 0);
	cr_assert_eq(mine->nb_streams, 1);
	cr_assert_eq(mine->streams[0]->codecpar->codec_id,
		     theirs->streams[stream]->codecpar->codec_id);
	cr_assert_gt(mine->streams[0]->codecpar->extradata_size, 0);
	while (av_read_frame(mine, a) >= 0) {
		do {
			av_packet_unref(b);
			cr_assert_geq(av_read_frame(theirs, b), 0);
		} while (b->stream_index != stream);
		av_packet_rescale_ts(b, theirs->streams[stream]->time_base, base);
		av_packet_rescale_ts(a, mine->streams[0]->time_base, base);
		cr_assert_leq(llabs(a->pts - b->pts), 1, "%ld %ld", (long)a->pts, (long)b->pts);
		cr_assert_leq(llabs(a->dts - b->dts), 1);
		cr_assert_eq(a->flags & AV_PKT_FLAG_KEY, b->flags & AV_PKT_FLAG_KEY);
		packets++;
		av_packet_unref(a);
	}
	cr_assert_eq(packets, m->units);
	av_packet_free(&a);
	av_packet_free(&b);
	memory_avio_close(mine->pb);
	avformat_close_input(&mine);
	avformat_close_input(&theirs);
}

Test(fragments, pictures_keep_their_times)
{
	struct made m = make(false, 18000);

	cr_assert_geq(m.fragments, 4);
	compare(&m, AVMEDIA_TYPE_VIDEO, (AVRational){1, 90000});
}

Test(fragments, sound_keeps_its_times)
{
	struct made m = make(true, 9600);

	cr_assert_geq(m.fragments, 4);
	compare(&m, AVMEDIA_TYPE_AUDIO, (AVRational){1, 90000});
}

/* ---------- several streams in one file ---------- */

/* Parameters of sound without a header, and of pictures. */
static AVCodecParameters *parameters_of(enum AVCodecID id)
{
	AVCodecParameters *p = avcodec_parameters_alloc();

	p->codec_id = id;
	p->codec_type = AVMEDIA_TYPE_AUDIO;
	p->sample_rate = 48000;
	p->frame_size = 1536;
	av_channel_layout_default(&p->ch_layout, 2);
	if (id != AV_CODEC_ID_MPEG2VIDEO)
		return p;
	p->codec_type = AVMEDIA_TYPE_VIDEO;
	p->width = 64;
	p->height = 48;
	return p;
}

static void add_sample(struct fragments *f, int stream, int64_t dts, int64_t duration, bool key)
{
	/* a frame of AC-3 with 48 kHz and 32 kbit/s, in two channels */
	static const uint8_t bytes[128] = {0x0b, 0x77, 0, 0, 0, 0x40, 0x40};
	AVPacket *packet = av_packet_alloc();

	cr_assert_eq(av_new_packet(packet, sizeof(bytes)), 0);
	memcpy(packet->data, bytes, sizeof(bytes));
	packet->stream_index = stream;
	packet->dts = packet->pts = dts;
	packet->duration = duration;
	packet->flags = key ? AV_PKT_FLAG_KEY : 0;
	cr_assert_eq(fragments_add(f, packet), 0);
	av_packet_free(&packet);
}

/* Finds the n-th box of this kind in a fragment, and returns the number at `at` behind its kind. */
static uint64_t number_in(const struct fragment *g, const char *kind, unsigned n, size_t at,
			  size_t bytes)
{
	for (size_t i = 0; i + 4 + at + bytes <= g->len; i++) {
		uint64_t value = 0;

		if (memcmp(g->bytes + i, kind, 4) != 0 || n-- > 0)
			continue;
		for (size_t b = 0; b < bytes; b++)
			value = value << 8 | g->bytes[i + 4 + at + b];
		return value;
	}
	return UINT64_MAX;
}

static void cut_one(struct fragments *f, uint64_t number, uint64_t picture, uint64_t sound)
{
	struct fragment got;

	cr_assert_eq(fragments_cut(f, &got), 1);
	cr_expect_eq(number_in(&got, "mfhd", 0, 4, 4), number);
	cr_expect_eq(number_in(&got, "tfdt", 0, 4, 8), picture);
	cr_expect_eq(number_in(&got, "tfdt", 1, 4, 8), sound);
	cr_expect_eq(got.dts, (int64_t)picture);
}

Test(fragments, two_streams_share_a_file)
{
	AVCodecParameters *both[] = {parameters_of(AV_CODEC_ID_MPEG2VIDEO),
				     parameters_of(AV_CODEC_ID_MP3)};
	struct fragments *f;
	struct fragment got;

	cr_assert_eq(fragments_new_streams((const AVCodecParameters *const *)both, 2, 7, &f), 0);
	cr_assert_not_null(fragments_init(f));
	cr_expect_eq(fragments_cut(f, &got), 0, "there is nothing");
	add_sample(f, 0, 900000, 3600, true);
	add_sample(f, 1, 480000, 1152, true);
	add_sample(f, 0, 903600, 3600, false);
	cr_expect_eq(fragments_first_of(f, 1), 480000);
	cut_one(f, 7, 900000, 480000);
	cr_expect_eq(fragments_first_of(f, 1), AV_NOPTS_VALUE);
	add_sample(f, 0, 907200, 3600, false);
	add_sample(f, 1, 481152, 1152, true);
	cut_one(f, 8, 907200, 481152);
	add_sample(f, 1, 482304, 1152, true);
	cr_assert_eq(fragments_cut(f, &got), 1);
	cr_expect_eq(got.dts, AV_NOPTS_VALUE, "the first stream has nothing in it");
	cr_expect_eq(got.duration, 0);
	/* a hole, which only the caller can tell from rounding */
	fragments_gap(f);
	add_sample(f, 0, 1000000, 3600, true);
	add_sample(f, 1, 530000, 1152, true);
	cut_one(f, 10, 1000000, 530000);
	fragments_free(f);
	avcodec_parameters_free(&both[0]);
	avcodec_parameters_free(&both[1]);
}

Test(fragments, the_init_segment_waits_for_the_stream_that_tells_its_box)
{
	AVCodecParameters *both[] = {parameters_of(AV_CODEC_ID_MPEG2VIDEO),
				     parameters_of(AV_CODEC_ID_AC3)};
	struct fragments *f;

	cr_assert_eq(fragments_new_streams((const AVCodecParameters *const *)both, 2, 1, &f), 0);
	add_sample(f, 0, 900000, 3600, true);
	cr_expect_null(fragments_init(f));
	add_sample(f, 1, 480000, 1536, true);
	cr_expect_not_null(fragments_init(f));
	cut_one(f, 1, 900000, 480000);
	fragments_free(f);
	avcodec_parameters_free(&both[0]);
	avcodec_parameters_free(&both[1]);
}
