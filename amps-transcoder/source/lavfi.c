#include "amps-transcoder/source/lavfi.h"

#include <assert.h>

#include <libavfilter/buffersink.h>
#include <stdio.h>
#include <string.h>

#define LEAD_US	    800000 /* covers the delay of an encoder with our look-ahead */
#define LATE_MAX_US 500000

static const AVRational ticks = {1, 90000};

static int add_sink(struct lavfi *l, AVFilterInOut *out)
{
	enum AVMediaType type = avfilter_pad_get_type(out->filter_ctx->output_pads, out->pad_idx);
	struct lavfi_stream *s = &l->list[l->count];
	AVStream *stream;
	char name[32];
	int r;

	if (l->count == LAVFI_STREAMS_MAX ||
	    (type != AVMEDIA_TYPE_VIDEO && type != AVMEDIA_TYPE_AUDIO))
		return AVERROR(EINVAL);
	snprintf(name, sizeof(name), "amps%u", l->count);
	r = avfilter_graph_create_filter(
		&s->sink,
		avfilter_get_by_name(type == AVMEDIA_TYPE_VIDEO ? "buffersink" : "abuffersink"),
		name, NULL, NULL, l->graph);
	if (r < 0)
		return r;
	s->frame = av_frame_alloc();
	stream = avformat_new_stream(l->streams, NULL);
	if (!s->frame || !stream)
		return AVERROR(ENOMEM);
	stream->codecpar->codec_type = type;
	l->count++;
	return avfilter_link(out->filter_ctx, (unsigned)out->pad_idx, s->sink, 0);
}

/* Links every open output to a sink, "out0" before "out1", unnamed ones in their order. */
static int add_sinks(struct lavfi *l, AVFilterInOut *outs)
{
	int r = 0;

	for (unsigned i = 0; i < LAVFI_STREAMS_MAX && r >= 0; i++) {
		char name[16];

		snprintf(name, sizeof(name), "out%u", i);
		for (AVFilterInOut *o = outs; o && r >= 0; o = o->next)
			if (o->name && strcmp(o->name, name) == 0)
				r = add_sink(l, o);
	}
	for (AVFilterInOut *o = outs; o && r >= 0; o = o->next) {
		bool numbered = o->name && strncmp(o->name, "out", 3) == 0 && o->name[3] >= '0' &&
				o->name[3] <= '9';

		if (!numbered)
			r = add_sink(l, o);
	}
	return r;
}

static int build(struct lavfi *l, const char *text)
{
	AVFilterInOut *in = NULL, *out = NULL;
	int r = avfilter_graph_parse2(l->graph, text, &in, &out);

	if (r >= 0 && in) {
		av_log(NULL, AV_LOG_ERROR, "a lavfi source has no inputs, but '%s' is one\n",
		       in->name ? in->name : "?");
		r = AVERROR(EINVAL);
	}
	if (r >= 0 && !out)
		r = AVERROR(EINVAL);
	if (r >= 0)
		r = add_sinks(l, out);
	avfilter_inout_free(&in);
	avfilter_inout_free(&out);
	return r < 0 ? r : avfilter_graph_config(l->graph, NULL);
}

int lavfi_open(struct lavfi *l, const char *graph, int64_t base_90k)
{
	int r = AVERROR(ENOMEM);

	memset(l, 0, sizeof(*l));
	l->base_90k = base_90k;
	l->graph = avfilter_graph_alloc();
	l->streams = avformat_alloc_context();
	if (l->graph && l->streams)
		r = build(l, graph);
	if (r < 0)
		lavfi_close(l);
	return r < 0 ? r : 0;
}

void lavfi_close(struct lavfi *l)
{
	for (unsigned i = 0; i < l->count; i++)
		av_frame_free(&l->list[i].frame);
	avfilter_graph_free(&l->graph);
	avformat_free_context(l->streams);
	memset(l, 0, sizeof(*l));
}

/* Makes the next frame of a stream if it has none. */
static int make(struct lavfi_stream *s)
{
	int r;

	if (s->error < 0 || s->ended || s->frame->buf[0])
		return s->error;
	r = av_buffersink_get_frame(s->sink, s->frame);
	if (r == AVERROR_EOF || r == AVERROR(EAGAIN)) {
		s->ended = true;
		return 0;
	}
	if (r >= 0)
		s->pts_90k =
			av_rescale_q(s->frame->pts, av_buffersink_get_time_base(s->sink), ticks);
	/* after a failure the graph reports an end */
	s->error = MIN(r, 0);
	return s->error;
}

static struct lavfi_stream *earliest(struct lavfi *l, int *ret_error)
{
	struct lavfi_stream *first = NULL;

	for (unsigned i = 0; i < l->count; i++) {
		struct lavfi_stream *s = &l->list[i];
		int r = make(s);

		if (r < 0) {
			*ret_error = r;
			return NULL;
		}
		if (!s->ended && (!first || s->pts_90k < first->pts_90k))
			first = s;
	}
	return first;
}

/* When a frame with this time of the graph is due. */
static uint64_t due_us(const struct lavfi *l, int64_t pts_90k)
{
	return l->start_us + (uint64_t)((pts_90k + l->skipped_90k) * 100 / 9);
}

void lavfi_start(struct lavfi *l, uint64_t now_us)
{
	int error = 0;
	const struct lavfi_stream *s = earliest(l, &error);

	l->primed = false;
	if (l->start_us == 0)
		l->start_us = now_us - LEAD_US;
	else if (s && now_us - LEAD_US > due_us(l, s->pts_90k))
		l->skipped_90k += (int64_t)(now_us - LEAD_US - due_us(l, s->pts_90k)) * 9 / 100;
}

AVFrame *lavfi_next(struct lavfi *l, uint64_t now_us, unsigned *ret_stream, uint64_t *ret_due_us,
		    int *ret_error)
{
	struct lavfi_stream *s;
	uint64_t due;

	*ret_error = 0;
	s = earliest(l, ret_error);
	if (!s)
		return NULL;
	due = due_us(l, s->pts_90k);
	if (now_us < due)
		l->primed = true;
	if (now_us > due + LATE_MAX_US + (l->primed ? 0 : LEAD_US)) {
		l->skipped_90k += (int64_t)(now_us - due) * 9 / 100;
		l->skips++;
		l->primed = true;
	}
	*ret_stream = (unsigned)(s - l->list);
	*ret_due_us = due;
	s->frame->pts = l->base_90k + s->pts_90k + l->skipped_90k;
	return s->frame;
}

void lavfi_pop(struct lavfi *l, unsigned stream)
{
	assert(stream < l->count && l->list[stream].frame->buf[0]);
	av_frame_unref(l->list[stream].frame);
}

AVRational lavfi_rate(const struct lavfi *l, unsigned stream)
{
	return av_buffersink_get_frame_rate(l->list[stream].sink);
}
