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
