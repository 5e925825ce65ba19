#include "amps-transcoder/encode/encode.h"

#include <assert.h>

#include <libavutil/opt.h>
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/av/compat.h"
#include "amps-transcoder/options/options.h"

#define LOOKAHEAD_MAX 10
#define THREADS_MAX   4 /* each x264 frame thread delays the output by one picture */

static const AVRational ticks = {1, 90000};

/* Adds a default for an option that the profile does not set. */
static void set_default(AVDictionary **options, const char *key, const char *value)
{
	av_dict_set(options, key, value, AV_DICT_DONT_OVERWRITE);
}

static bool has(const AVDictionary *options, const char *key)
{
	return av_dict_get(options, key, NULL, 0) != NULL;
}

/* Presets that look ahead less than our bound already. */
static bool is_quick_preset(const AVDictionary *options)
{
	const AVDictionaryEntry *preset = av_dict_get(options, "preset", NULL, 0);

	return preset && (strcmp(preset->value, "ultrafast") == 0 ||
			  strcmp(preset->value, "superfast") == 0 ||
			  strcmp(preset->value, "0") == 0 || strcmp(preset->value, "1") == 0);
}

/* libavcodec's own MPEG encoders refuse closed groups together with scene change detection, and
 * demand this value to switch it off. */
static bool detects_scenes_itself(enum AVCodecID id)
{
	return id == AV_CODEC_ID_MPEG1VIDEO || id == AV_CODEC_ID_MPEG2VIDEO ||
	       id == AV_CODEC_ID_MPEG4;
}

static void set_live_defaults(const AVCodec *codec, AVDictionary **options)
{
	char text[64];

	if (strcmp(codec->name, "libx264") == 0) {
		set_default(options, "preset", "veryfast");
		set_default(options, "forced-idr", "1");
		set_default(options, "sc_threshold", "0");
		if (!has(*options, "tune") && !is_quick_preset(*options)) {
			snprintf(text, sizeof(text), "%d", LOOKAHEAD_MAX);
			set_default(options, "rc-lookahead", text);
		}
	} else if (strcmp(codec->name, "libx265") == 0) {
		set_default(options, "preset", "veryfast");
		set_default(options, "forced-idr", "1");
		snprintf(text, sizeof(text), "rc-lookahead=%d:scenecut=0:open-gop=0",
			 LOOKAHEAD_MAX);
		if (!has(*options, "tune"))
			set_default(options, "x265-params", text);
	} else if (option_find_encoder(codec, "forced-idr")) {
		set_default(options, "forced-idr", "1");
	} else if (option_find_encoder(codec, "forced_idr")) {
		set_default(options, "forced_idr", "1");
	} else if (detects_scenes_itself(codec->id) && option_find_encoder(codec, "sc_threshold")) {
		set_default(options, "sc_threshold", "1000000000");
	}
}

/* The pictures' memory, or the device that takes pictures from the main memory. */
static int set_device(AVCodecContext *ctx, const struct hardware *hardware, const AVFrame *frame)
{
	if (frame->hw_frames_ctx) {
		ctx->hw_frames_ctx = av_buffer_ref(frame->hw_frames_ctx);
		if (!ctx->hw_frames_ctx)
			return AVERROR(ENOMEM);
		ctx->sw_pix_fmt = ((AVHWFramesContext *)ctx->hw_frames_ctx->data)->sw_format;
	} else if (hardware) {
		ctx->hw_device_ctx = av_buffer_ref(hardware->ref);
		if (!ctx->hw_device_ctx)
			return AVERROR(ENOMEM);
	}
	return 0;
}

static int set_video(struct encoder *e, const struct profile *p, const struct filter *f,
		     const AVFrame *frame)
{
	AVRational rate = filter_rate(f);
	bool by_time = e->ctx->codec_id == AV_CODEC_ID_H264 || e->ctx->codec_id == AV_CODEC_ID_HEVC;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int r = set_device(e->ctx, f->hardware, frame);

	if (r < 0)
		return r;
	e->ctx->width = frame->width;
	e->ctx->height = frame->height;
	e->ctx->pix_fmt = frame->format;
	e->ctx->sample_aspect_ratio = frame->sample_aspect_ratio;
	e->ctx->color_range = frame->color_range;
	e->ctx->color_primaries = frame->color_primaries;
	e->ctx->color_trc = frame->color_trc;
	e->ctx->colorspace = frame->colorspace;
	e->ctx->framerate = rate;
	e->ctx->time_base = by_time ? ticks : av_inv_q(rate);
	e->ctx->thread_count = (int)MIN(MAX(cores, 1), THREADS_MAX);
	e->frame_90k = av_rescale(90000, rate.den, rate.num);
	/* an upper bound where the rule gives none; normally the grid comes first */
	e->ctx->gop_size = (int)MIN(2 * PROFILE_GRID_90K / MAX(e->frame_90k, 1) + 2, 1000);
	return key_rule_init(&e->keys, p->key_frames,
			     p->gop_frames > 0 ? p->gop_frames * 90000LL * rate.den / rate.num
					       : PROFILE_GRID_90K);
}

static int set_audio(struct encoder *e, const AVFrame *frame)
{
	e->ctx->sample_rate = frame->sample_rate;
	e->ctx->sample_fmt = frame->format;
	e->ctx->time_base = (AVRational){1, frame->sample_rate};
	return av_channel_layout_copy(&e->ctx->ch_layout, &frame->ch_layout);
}

int encoder_open(struct encoder *e, const struct profile *profile, const struct filter *filter,
		 const AVFrame *frame)
{
	bool video = filter->type == AVMEDIA_TYPE_VIDEO;
	const struct profile_kind *kind = video ? &profile->video : &profile->audio;
	AVDictionary *options = NULL;
	int r = 0;

	assert(!e->ctx);
	memset(e, 0, sizeof(*e));
	e->type = filter->type;
	e->last_pts = AV_NOPTS_VALUE;
	e->ctx = avcodec_alloc_context3(kind->codec);
	e->packet = av_packet_alloc();
	if (!e->ctx || !e->packet)
		return AVERROR(ENOMEM);
	e->ctx->flags |= AV_CODEC_FLAG_CLOSED_GOP;
	if (video)
		r = set_video(e, profile, filter, frame);
	else
		r = set_audio(e, frame);
	av_dict_copy(&options, kind->options, 0);
	set_live_defaults(kind->codec, &options);
	if (r >= 0)
		r = avcodec_open2(e->ctx, kind->codec, &options);
	av_dict_free(&options);
	if (r >= 0 && !video && e->ctx->frame_size > 0)
		e->frame_90k = e->ctx->frame_size * 90000LL / e->ctx->sample_rate;
	if (r < 0)
		encoder_close(e);
	return r;
}

void encoder_close(struct encoder *e)
{
	avcodec_free_context(&e->ctx);
	av_packet_free(&e->packet);
	key_rule_done(&e->keys);
}

/* Decides whether this picture begins a group.  The decoder leaves the source's picture type in the
 * frame; the encoder would follow it, so it is overwritten. */
static void set_picture_type(struct encoder *e, AVFrame *frame, int64_t pts_90k,
			     enum key_frames keys)
{
	bool key = key_rule_next(&e->keys, pts_90k, av_compat_is_key(frame), keys);

	frame->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	av_compat_set_key(frame, key);
}

int encoder_put(struct encoder *e, AVFrame *frame, enum key_frames keys)
{
	int64_t pts_90k = frame->pts;

	assert(e->ctx);
	frame->pts = av_rescale_q(pts_90k, ticks, e->ctx->time_base);
	if (e->last_pts != AV_NOPTS_VALUE && frame->pts <= e->last_pts) {
		/* keep sound that overlaps by a rounding error, drop such a picture */
		if (e->type == AVMEDIA_TYPE_VIDEO)
			return 0;
		frame->pts = e->last_pts + 1;
	}
	e->last_pts = frame->pts;
	if (e->type == AVMEDIA_TYPE_VIDEO)
		set_picture_type(e, frame, pts_90k, keys);
	return avcodec_send_frame(e->ctx, frame);
}

void encoder_end(struct encoder *e)
{
	/* it fails only if it was flushed before */
	if (e->ctx)
		(void)!avcodec_send_frame(e->ctx, NULL);
}

AVPacket *encoder_take(struct encoder *e)
{
	av_packet_unref(e->packet);
	if (avcodec_receive_packet(e->ctx, e->packet) < 0)
		return NULL;
	av_packet_rescale_ts(e->packet, e->ctx->time_base, ticks);
	/* libx264 sets no duration; the length of the last picture of a part depends on it */
	if (e->packet->duration <= 0)
		e->packet->duration = e->frame_90k;
	return e->packet;
}
