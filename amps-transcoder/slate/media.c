#include "amps-transcoder/slate/media.h"

#include <assert.h>
#include <string.h>

#include "amps-transcoder/av/compat.h"
#include "amps-transcoder/slate/picture.h"

/* A dark blue. */
#define COLOUR_Y 46
#define COLOUR_U 142
#define COLOUR_V 118

#define PICTURE_BITRATE 400000
#define SILENT_FRAMES	8 /* until an encoder has settled */
#define PCM_FRAME	1152

/* Codecs that a transport stream carries, in the order in which they take the place of another. */
static const enum AVCodecID pictures[] = {AV_CODEC_ID_H264, AV_CODEC_ID_MPEG2VIDEO,
					  AV_CODEC_ID_HEVC, AV_CODEC_ID_MPEG4};
static const enum AVCodecID sounds[] = {AV_CODEC_ID_AAC, AV_CODEC_ID_MP2, AV_CODEC_ID_AC3};

/* The first one of the build that runs on the processor; NULL. */
static const AVCodec *encoder_of(enum AVCodecID id)
{
	const int unfit = AV_CODEC_CAP_HARDWARE | AV_CODEC_CAP_HYBRID | AV_CODEC_CAP_EXPERIMENTAL;
	const AVCodec *codec;
	void *at = NULL;

	while ((codec = av_codec_iterate(&at)))
		if (codec->id == id && av_codec_is_encoder(codec) && !(codec->capabilities & unfit))
			return codec;
	return NULL;
}

static enum AVPixelFormat pixels_of(const AVCodec *codec)
{
	const enum AVPixelFormat *list = av_compat_pix_fmts(codec);

	for (size_t i = 0; list && list[i] != AV_PIX_FMT_NONE; i++)
		if (list[i] == AV_PIX_FMT_YUV420P)
			return list[i];
	return list ? AV_PIX_FMT_NONE : AV_PIX_FMT_YUV420P;
}

static unsigned pictures_of(const struct slate_stream *s)
{
	int n = (int)(av_q2d(s->rate) + 0.5);

	return (unsigned)MIN(MAX(n, 1), SLATE_PICTURES_MAX);
}

static int open_picture(const struct slate_stream *s, const AVCodec *codec, AVCodecContext *ctx)
{
	AVDictionary *options = NULL;
	int r;

	ctx->width = s->width;
	ctx->height = s->height;
	ctx->pix_fmt = pixels_of(codec);
	ctx->framerate = s->rate;
	ctx->time_base = av_inv_q(s->rate);
	ctx->sample_aspect_ratio = s->aspect;
	ctx->gop_size = SLATE_PICTURES_MAX;
	ctx->max_b_frames = 0;
	ctx->bit_rate = PICTURE_BITRATE;
	/* those that the encoder does not know stay in the dictionary */
	av_dict_set(&options, "preset", "veryfast", 0);
	av_dict_set(&options, "tune", "zerolatency", 0);
	av_dict_set(&options, "x265-params", "log-level=error", 0);
	r = ctx->pix_fmt == AV_PIX_FMT_NONE ? AVERROR(EINVAL) : avcodec_open2(ctx, codec, &options);
	av_dict_free(&options);
	return r;
}

static int open_sound(const struct slate_stream *s, const AVCodec *codec, AVCodecContext *ctx)
{
	const enum AVSampleFormat *list = av_compat_sample_fmts(codec);

	ctx->sample_rate = s->sample_rate;
	ctx->sample_fmt = list ? list[0] : AV_SAMPLE_FMT_S16;
	ctx->time_base = (AVRational){1, s->sample_rate};
	av_channel_layout_default(&ctx->ch_layout, s->channels);
	return avcodec_open2(ctx, codec, NULL);
}

/* The encoder of this stream with this codec.  0 or a libav error, then *ret stays NULL. */
static int open_codec(const struct slate_stream *s, enum AVCodecID id, AVCodecContext **ret)
{
	const AVCodec *codec = encoder_of(id);
	AVCodecContext *ctx = codec ? avcodec_alloc_context3(codec) : NULL;
	int r;

	if (!codec)
		return AVERROR_ENCODER_NOT_FOUND;
	if (!ctx)
		return AVERROR(ENOMEM);
	ctx->thread_count = 1;
	r = s->type == AVMEDIA_TYPE_VIDEO ? open_picture(s, codec, ctx) : open_sound(s, codec, ctx);
	if (r < 0)
		avcodec_free_context(&ctx);
	*ret = ctx;
	return r;
}

/* As before, else with a usual codec. */
static int open_encoder(const struct slate_stream *s, AVCodecContext **ret)
{
	bool picture = s->type == AVMEDIA_TYPE_VIDEO;
	const enum AVCodecID *others = picture ? pictures : sounds;
	size_t count = picture ? array_size(pictures) : array_size(sounds);
	int r;

	*ret = NULL;
	r = open_codec(s, s->codec == AV_CODEC_ID_AAC_LATM ? AV_CODEC_ID_AAC : s->codec, ret);
	for (size_t i = 0; r < 0 && i < count; i++)
		if (others[i] != s->codec)
			r = open_codec(s, others[i], ret);
	return r;
}

static AVFrame *picture_frame(const AVCodecContext *ctx, const char *text)
{
	AVFrame *frame = av_frame_alloc();

	if (!frame)
		return NULL;
	/* the planes below are of this format */
	assert(ctx->pix_fmt == AV_PIX_FMT_YUV420P && ctx->width > 0 && ctx->height > 0);
	frame->format = ctx->pix_fmt;
	frame->width = ctx->width;
	frame->height = ctx->height;
	if (av_frame_get_buffer(frame, 0) < 0) {
		av_frame_free(&frame);
		return NULL;
	}
	for (int row = 0; row < ctx->height; row++)
		memset(frame->data[0] + row * frame->linesize[0], COLOUR_Y, (size_t)ctx->width);
	for (int row = 0; row < ctx->height / 2; row++) {
		memset(frame->data[1] + row * frame->linesize[1], COLOUR_U, (size_t)ctx->width / 2);
		memset(frame->data[2] + row * frame->linesize[2], COLOUR_V, (size_t)ctx->width / 2);
	}
	slate_draw_text(frame->data[0], (size_t)frame->linesize[0], (unsigned)ctx->width,
			(unsigned)ctx->height, text);
	return frame;
}

static AVFrame *silent_frame(const AVCodecContext *ctx)
{
	AVFrame *frame = av_frame_alloc();

	if (!frame)
		return NULL;
	frame->format = ctx->sample_fmt;
	frame->sample_rate = ctx->sample_rate;
	frame->nb_samples = ctx->frame_size > 0 ? ctx->frame_size : PCM_FRAME;
	if (av_channel_layout_copy(&frame->ch_layout, &ctx->ch_layout) < 0 ||
	    av_frame_get_buffer(frame, 0) < 0) {
		av_frame_free(&frame);
		return NULL;
	}
	av_samples_set_silence(frame->extended_data, 0, frame->nb_samples,
			       ctx->ch_layout.nb_channels, ctx->sample_fmt);
	return frame;
}

/* Takes what the encoder has: all pictures, of sound only the newest packet. */
static int collect(struct slate_track *t, AVCodecContext *ctx)
{
	for (;;) {
		AVPacket *packet = av_packet_alloc();
		int r = packet ? avcodec_receive_packet(ctx, packet) : AVERROR(ENOMEM);

		if (r < 0) {
			av_packet_free(&packet);
			return r == AVERROR(EAGAIN) || r == AVERROR_EOF ? 0 : r;
		}
		if (ctx->codec_type == AVMEDIA_TYPE_AUDIO && t->count)
			av_packet_free(&t->packets[--t->count]);
		/* more pictures than frames cannot come */
		if (t->count == SLATE_PICTURES_MAX) {
			av_packet_free(&packet);
			return AVERROR_BUG;
		}
		t->packets[t->count++] = packet;
	}
}

static int encode(struct slate_track *t, AVCodecContext *ctx, AVFrame *frame, unsigned frames,
		  const struct slate_stop *stop)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < frames; i++) {
		if (stop->asked(stop->owner))
			return AVERROR_EXIT;
		frame->pts =
			ctx->codec_type == AVMEDIA_TYPE_VIDEO ? i : (int64_t)i * frame->nb_samples;
		frame->pict_type = i ? AV_PICTURE_TYPE_NONE : AV_PICTURE_TYPE_I;
		r = avcodec_send_frame(ctx, frame);
		if (r >= 0)
			r = collect(t, ctx);
	}
	/* the last sound may be shorter: the encoder is not drained */
	if (r == 0 && (ctx->codec_type == AVMEDIA_TYPE_VIDEO || !t->count)) {
		r = avcodec_send_frame(ctx, NULL);
		if (r >= 0)
			r = collect(t, ctx);
	}
	if (r == 0 && (!t->count || (ctx->codec_type == AVMEDIA_TYPE_VIDEO &&
				     !(t->packets[0]->flags & AV_PKT_FLAG_KEY))))
		r = AVERROR_INVALIDDATA;
	return MIN(r, 0);
}

static int track_make(struct slate_track *t, const struct slate_stream *s, const char *text,
		      const struct slate_stop *stop)
{
	bool picture = s->type == AVMEDIA_TYPE_VIDEO;
	AVCodecContext *ctx;
	AVFrame *frame = NULL;
	int r = open_encoder(s, &ctx);

	if (r < 0)
		return r;
	t->stream = s;
	t->parameters = avcodec_parameters_alloc();
	frame = picture ? picture_frame(ctx, text) : silent_frame(ctx);
	r = frame && t->parameters ? avcodec_parameters_from_context(t->parameters, ctx)
				   : AVERROR(ENOMEM);
	if (r >= 0) {
		t->step = picture ? av_inv_q(s->rate)
				  : (AVRational){frame->nb_samples, s->sample_rate};
		r = encode(t, ctx, frame, picture ? pictures_of(s) : SILENT_FRAMES, stop);
	}
	av_frame_free(&frame);
	avcodec_free_context(&ctx);
	return r;
}

static void track_done(struct slate_track *t)
{
	avcodec_parameters_free(&t->parameters);
	while (t->count)
		av_packet_free(&t->packets[--t->count]);
}

int slate_media_make(const struct slate_format *format, const char *text,
		     const struct slate_stop *stop, struct slate_media *ret)
{
	*ret = (struct slate_media){0};
	for (unsigned i = 0; i < format->count; i++) {
		struct slate_track *t = &ret->tracks[ret->count];
		int r = track_make(t, &format->streams[i], text, stop);

		if (r == AVERROR(ENOMEM) || r == AVERROR_EXIT) {
			track_done(t);
			return r;
		}
		if (r < 0) {
			track_done(t);
			*t = (struct slate_track){0};
			continue;
		}
		ret->count++;
		assert(ret->count <= SLATE_STREAMS_MAX && t->count > 0);
	}
	return ret->count ? 0 : AVERROR_ENCODER_NOT_FOUND;
}

void slate_media_done(struct slate_media *m)
{
	for (unsigned i = 0; i < SLATE_STREAMS_MAX; i++)
		track_done(&m->tracks[i]);
	m->count = 0;
}
