/* joined.c - see joined.h */
#include "amps-transcoder/source/joined.h"

#include <assert.h>

#define PARTS 2
/* Beginnings that are further apart are of different clocks, and are put together. */
#define ONE_CLOCK_US 10000000

struct part {
	AVFormatContext *demuxer;
	AVPacket *next;
	bool filled, over;
	unsigned first; /* index of its first stream in the context that is shown */
	unsigned count;
	int64_t shift_us; /* added to its times */
};

struct joined {
	struct part parts[PARTS];
	bool live;
};

static int add_stream(AVFormatContext *ic, const AVStream *from)
{
	AVStream *to = avformat_new_stream(ic, NULL);
	int r = to ? avcodec_parameters_copy(to->codecpar, from->codecpar) : AVERROR(ENOMEM);

	if (r < 0)
		return r;
	to->id = from->id;
	to->time_base = from->time_base;
	to->start_time = from->start_time;
	to->duration = from->duration;
	to->disposition = from->disposition;
	to->avg_frame_rate = from->avg_frame_rate;
	to->r_frame_rate = from->r_frame_rate;
	to->sample_aspect_ratio = from->sample_aspect_ratio;
	to->pts_wrap_bits = from->pts_wrap_bits;
	return av_dict_copy(&to->metadata, from->metadata, 0);
}

static int add_part(AVFormatContext *ic, struct part *p)
{
	p->first = ic->nb_streams;
	p->count = p->demuxer->nb_streams;
	p->next = av_packet_alloc();
	if (!p->next)
		return AVERROR(ENOMEM);
	for (unsigned i = 0; i < p->count; i++) {
		int r = add_stream(ic, p->demuxer->streams[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static void put_together(struct joined *j)
{
	int64_t a = j->parts[0].demuxer->start_time, b = j->parts[1].demuxer->start_time;

	if (a != AV_NOPTS_VALUE && b != AV_NOPTS_VALUE && llabs(a - b) > ONE_CLOCK_US)
		j->parts[1].shift_us = a - b;
}

static void describe(AVFormatContext *ic, struct joined *j)
{
	const AVFormatContext *picture = j->parts[0].demuxer, *sound = j->parts[1].demuxer;

	j->live = picture->duration == AV_NOPTS_VALUE || sound->duration == AV_NOPTS_VALUE;
	ic->iformat = picture->iformat;
	ic->pb = picture->pb;
	ic->start_time = picture->start_time;
	ic->duration = j->live ? AV_NOPTS_VALUE : MAX(picture->duration, sound->duration);
}

int joined_open(AVFormatContext *picture, AVFormatContext *sound, AVFormatContext **ret)
{
	AVFormatContext *ic = avformat_alloc_context();
	struct joined *j = calloc(1, sizeof(*j));
	int r = 0;

	if (!ic || !j) {
		avformat_free_context(ic);
		free(j);
		avformat_close_input(&picture);
		avformat_close_input(&sound);
		return AVERROR(ENOMEM);
	}
	ic->opaque = j;
	j->parts[0].demuxer = picture;
	j->parts[1].demuxer = sound;
	describe(ic, j);
	for (size_t i = 0; r >= 0 && i < PARTS; i++)
		r = add_part(ic, &j->parts[i]);
	if (r >= 0)
		r = av_dict_copy(&ic->metadata, picture->metadata, 0);
	if (r < 0) {
		joined_close(&ic);
		return r;
	}
	put_together(j);
	*ret = ic;
	return 0;
}

static void shift(AVPacket *packet, int64_t by_us, AVRational base)
{
	int64_t by = av_rescale_q(by_us, AV_TIME_BASE_Q, base);

	if (packet->dts != AV_NOPTS_VALUE)
		packet->dts += by;
	if (packet->pts != AV_NOPTS_VALUE)
		packet->pts += by;
}

/* Reads the part's next packet of a stream that is wanted.  0, also at its end, or a libav error.
 */
static int fill(const AVFormatContext *ic, struct part *p)
{
	while (!p->filled && !p->over) {
		int r = av_read_frame(p->demuxer, p->next);

		if (r == AVERROR_EOF)
			p->over = true;
		else if (r < 0)
			return r;
		else if ((unsigned)p->next->stream_index >= p->count ||
			 ic->streams[p->first + (unsigned)p->next->stream_index]->discard ==
				 AVDISCARD_ALL)
			av_packet_unref(p->next);
		else
			p->filled = true;
	}
	return 0;
}

/* What has no time comes first. */
static int64_t time_us(const struct part *p)
{
	const AVPacket *packet = p->next;
	int64_t time = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
	const AVStream *st = p->demuxer->streams[packet->stream_index];

	return time == AV_NOPTS_VALUE
		       ? INT64_MIN
		       : av_rescale_q(time, st->time_base, AV_TIME_BASE_Q) + p->shift_us;
}

static void hand_out(struct part *p, AVPacket *packet)
{
	const AVStream *st = p->demuxer->streams[p->next->stream_index];

	assert(p->filled);
	av_packet_move_ref(packet, p->next);
	shift(packet, p->shift_us, st->time_base);
	packet->stream_index += (int)p->first;
	p->filled = false;
}

int joined_read(AVFormatContext *ic, AVPacket *packet)
{
	struct joined *j = ic->opaque;
	struct part *first = NULL;

	for (size_t i = 0; i < PARTS; i++) {
		struct part *p = &j->parts[i];
		int r = fill(ic, p);

		if (r < 0)
			return r;
		if (p->over && j->live)
			return AVERROR_EOF;
		if (p->filled && (!first || time_us(p) < time_us(first)))
			first = p;
	}
	if (!first)
		return AVERROR_EOF;
	hand_out(first, packet);
	return 0;
}

int joined_seek(AVFormatContext *ic, int64_t behind_us)
{
	struct joined *j = ic->opaque;

	for (size_t i = 0; i < PARTS; i++) {
		struct part *p = &j->parts[i];
		int64_t begin = p->demuxer->start_time;
		int64_t to = (begin == AV_NOPTS_VALUE ? 0 : begin) + behind_us;
		int r = avformat_seek_file(p->demuxer, -1, INT64_MIN, to, to, 0);

		if (r < 0)
			return r;
		av_packet_unref(p->next);
		p->filled = p->over = false;
	}
	return 0;
}

void joined_close(AVFormatContext **ic)
{
	struct joined *j = *ic ? (*ic)->opaque : NULL;

	if (!j)
		return;
	(*ic)->pb = NULL;
	for (size_t i = 0; i < PARTS; i++) {
		av_packet_free(&j->parts[i].next);
		avformat_close_input(&j->parts[i].demuxer);
	}
	free(j);
	avformat_free_context(*ic);
	*ic = NULL;
}
