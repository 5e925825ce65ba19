#include "amps-transcoder/encode/filter.h"

#include <assert.h>
#include <ctype.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/avstring.h>
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/av/compat.h"
#include "amps-transcoder/options/check_graph.h"
#include "amps-transcoder/options/hardware_name.h"
#include "common/text/buf.h"

#define JUMP_90K 90000 /* do not fill a longer gap with repeated frames */

#define STARVED_90K 450000 /* an input so far behind another one has ended */

#define LENGTH_MAX_90K 900000 /* longest duration of one picture */
#define RATE_MAX       300    /* pictures a second; a higher rate is treated as unknown */
#define RATE_MIN_INV   10     /* less than one picture in so many seconds is unknown, too */

static const AVRational ticks = {1, 90000};

int filter_init(struct filter *f, enum AVMediaType type, const struct profile *profile,
		const struct hardware *hardware)
{
	const struct complex_part *part;

	memset(f, 0, sizeof(*f));
	f->hardware = type == AVMEDIA_TYPE_VIDEO ? hardware : NULL;
	f->type = type;
	f->profile = profile;
	part = (type == AVMEDIA_TYPE_VIDEO ? &profile->video : &profile->audio)->part;
	f->input_count = part ? part->in_count : 1;
	for (unsigned i = 0; i < f->input_count; i++) {
		f->inputs[i].type = !part			? type
				    : part->ins[i].media == 'a' ? AVMEDIA_TYPE_AUDIO
								: AVMEDIA_TYPE_VIDEO;
		f->inputs[i].last_90k = AV_NOPTS_VALUE;
	}
	f->frame = av_frame_alloc();
	return f->frame ? 0 : -ENOMEM;
}

static void drop_waiting(struct filter_input *in)
{
	while (in->waiting_count)
		av_frame_free(&in->waiting[--in->waiting_count]);
}

void filter_done(struct filter *f)
{
	avfilter_graph_free(&f->graph);
	av_frame_free(&f->frame);
	for (unsigned i = 0; i < f->input_count; i++) {
		struct filter_input *in = &f->inputs[i];

		drop_waiting(in);
		av_buffer_unref(&in->frames);
		av_channel_layout_uninit(&in->layout);
	}
}

/* The input that the output takes its rate and layout from: the first of its kind. */
static const struct filter_input *main_input(const struct filter *f)
{
	for (unsigned i = 0; i < f->input_count; i++)
		if (f->inputs[i].type == f->type)
			return &f->inputs[i];
	return &f->inputs[0];
}

/* 8-bit 4:2:0 if the encoder supports it, because every player shows it; else the encoder's first
 * format. */
static enum AVPixelFormat choose_pix_fmt(const struct profile *p)
{
	const enum AVPixelFormat *list = av_compat_pix_fmts(p->video.codec);

	if (p->pix_fmt != AV_PIX_FMT_NONE)
		return p->pix_fmt;
	for (size_t i = 0; list && list[i] != AV_PIX_FMT_NONE; i++)
		if (list[i] == AV_PIX_FMT_YUV420P)
			return list[i];
	return list ? list[0] : AV_PIX_FMT_YUV420P;
}

/* What the device's encoders take from the main memory. */
static const char *upload_format(const struct profile *p)
{
	return av_get_pix_fmt_name(p->pix_fmt != AV_PIX_FMT_NONE ? p->pix_fmt : AV_PIX_FMT_NV12);
}

/* The aspect ratio that the input declares, checked because it may be invalid; 0/1 = unknown. */
static AVRational input_rate(const struct filter_input *in)
{
	static const AVRational most = {RATE_MAX, 1}, least = {1, RATE_MIN_INV};
	AVRational rate = in->rate;

	if (rate.num <= 0 || rate.den <= 0 || av_cmp_q(rate, most) > 0 || av_cmp_q(rate, least) < 0)
		return (AVRational){0, 1};
	return rate;
}

static AVRational input_rate_or_usual(const struct filter *f)
{
	AVRational rate = input_rate(main_input(f));

	return rate.num > 0 ? rate : (AVRational){25, 1};
}

/* The constant rate of the pictures; 0/1: they keep their times.  Encoders that count pictures
 * instead of time need one. */
static AVRational steady_rate(const struct filter *f)
{
	const struct profile *p = f->profile;
	enum AVCodecID id = p->video.codec->id;
	AVRational rate = input_rate_or_usual(f);

	if (p->rate.num > 0)
		return p->rate;
	if (p->rate_max.num > 0 && av_cmp_q(rate, p->rate_max) > 0)
		return p->rate_max;
	if (!p->steady && (id == AV_CODEC_ID_H264 || id == AV_CODEC_ID_HEVC))
		return (AVRational){0, 1};
	return rate;
}

static void download(const struct filter_input *in, struct buf *b)
{
	const AVHWFramesContext *frames = (AVHWFramesContext *)in->frames->data;

	buf_printf(b, "hwdownload,format=%s,", av_get_pix_fmt_name(frames->sw_format));
}

/* What comes before the user's filters, with a comma at its end.  Pictures in the memory of a
 * device are copied to the main memory, unless the filters are the device's own. */
static void before_user(const struct filter *f, const struct filter_input *in, bool own,
			struct buf *b)
{
	if (in->type != AVMEDIA_TYPE_VIDEO)
		return;
	if (in->frames && !own)
		download(in, b);
	if (f->profile->deinterlace)
		buf_puts(b, "bwdif=mode=send_frame:deint=interlaced,");
}

/* A graph of filter_complex has labels at its ends. */
static void complex_text(const struct filter *f, const struct complex_part *part, bool own,
			 struct buf *b)
{
	for (unsigned i = 0; i < f->input_count; i++) {
		const struct filter_input *in = &f->inputs[i];

		buf_printf(b, "[in%u]", i);
		before_user(f, in, own, b);
		buf_printf(b, "%s[%s];", in->type == AVMEDIA_TYPE_AUDIO ? "anull" : "null",
			   part->ins[i].label);
	}
	buf_printf(b, "%s;[%s]", part->text, part->out);
}

/* The user's graph, before ours.  Its last output may be named [out], as in ffmpeg. */
static void user_text(const struct filter *f, const struct profile_kind *kind, bool own,
		      struct buf *b)
{
	static const char out[] = "[out]";
	const char *graph = kind->filter;
	size_t n = graph ? strlen(graph) : 0;

	if (kind->part) {
		complex_text(f, kind->part, own, b);
		return;
	}
	before_user(f, &f->inputs[0], own, b);
	while (n > 0 && isspace((unsigned char)graph[n - 1]))
		n--;
	if (n >= sizeof(out) - 1 && !strncmp(graph + n - (sizeof(out) - 1), out, sizeof(out) - 1))
		n -= sizeof(out) - 1;
	if (n > 0)
		buf_printf(b, "%.*s,", (int)n, graph);
}

/* "scale=1280:720", "scale=-2:720": the profile's only filter, which a device can do.  False: it is
 * something else. */
static bool scale_alone(const struct filter *f, int *ret_width, int *ret_height)
{
	const char *graph = f->profile->video.filter;
	const struct filter_input *in = &f->inputs[0];
	int width, height, end = 0;

	if (!graph || sscanf(graph, " scale=%d:%d %n", &width, &height, &end) < 2 || !end ||
	    graph[end] || (width <= 0 && height <= 0) || width < -16 || height < -16 || !width ||
	    !height)
		return false;
	*ret_width = width > 0 ? width : (int)av_rescale(in->width, height, in->height);
	*ret_height = height > 0 ? height : (int)av_rescale(in->height, width, in->width);
	return true;
}

/* The size that the device scales to: what the encoder has been opened with, else the profile's,
 * else the source's; made even. */
static void device_scale(const struct filter *f, struct buf *b)
{
	const char *scaler = hardware_scaler(f->hardware->type);
	const struct filter_input *in = &f->inputs[0];
	int width = in->width, height = in->height;

	(void)scale_alone(f, &width, &height);
	if (f->profile->width > 0) {
		width = f->profile->width;
		height = f->profile->height;
	}
	if (f->fixed_width > 0) {
		width = f->fixed_width;
		height = f->fixed_height;
	}
	width &= ~1;
	height &= ~1;
	if (width != in->width || height != in->height)
		buf_printf(b, "%s=w=%d:h=%d,", scaler, width, height);
}

/* True if the profile's filters leave the pictures in the device's memory, where they are. */
static bool stays_on_device(const struct filter *f)
{
	const struct profile *p = f->profile;
	const AVBufferRef *ref = f->inputs[0].frames;
	const AVHWFramesContext *frames = ref ? (AVHWFramesContext *)ref->data : NULL;
	int width, height;

	return f->hardware && frames && frames->device_ref->data == f->hardware->ref->data &&
	       !p->deinterlace && !p->video.part && hardware_scaler(f->hardware->type) &&
	       (!p->video.filter || scale_alone(f, &width, &height));
}

static void memory_scale(const struct filter *f, struct buf *b)
{
	const struct profile *p = f->profile;

	if (p->width > 0)
		buf_printf(b, "scale=%d:%d,", p->width, p->height);
	if (f->fixed_width > 0)
		buf_printf(b, "scale=%d:%d,", f->fixed_width, f->fixed_height);
	/* "scale=-1:720" may give an odd width, which 4:2:0 encoders refuse */
	buf_printf(b, "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0,");
}

/* The profile's filters where they name the device's own: they get the pictures as they are, and
 * leave what the encoder takes, as in ffmpeg. */
static bool has_device_filters(const struct filter *f)
{
	const struct profile_kind *kind = &f->profile->video;

	return f->hardware && ((kind->filter && graph_has_device(kind->filter)) ||
			       (kind->part && graph_has_device(kind->part->text)));
}

static void video_text(const struct filter *f, struct buf *b)
{
	const struct profile *p = f->profile;
	AVRational rate = steady_rate(f);
	bool stays = stays_on_device(f), own = has_device_filters(f);
	enum AVPixelFormat device = f->hardware ? f->hardware->format : AV_PIX_FMT_NONE;
	bool encodes = device != AV_PIX_FMT_NONE && hardware_takes(p->video.codec, device);

	if (!stays)
		user_text(f, &p->video, own, b);
	if (rate.num > 0)
		buf_printf(b, "fps=%d/%d,", rate.num, rate.den);
	if (stays)
		device_scale(f, b);
	if (stays && !encodes)
		download(&f->inputs[0], b);
	if (!stays && !(own && encodes))
		memory_scale(f, b);
	if (*p->aspect)
		buf_printf(b, "setdar=%s,", p->aspect);
	if (encodes && !stays && !own)
		buf_printf(b, "format=%s,hwupload,", upload_format(p));
	buf_printf(b, "format=%s", av_get_pix_fmt_name(encodes ? device : choose_pix_fmt(p)));
}

static int choose_sample_rate(const struct filter *f)
{
	const int *list = av_compat_sample_rates(f->profile->audio.codec);
	int own = main_input(f)->sample_rate ? main_input(f)->sample_rate : 48000;
	int wanted = f->profile->sample_rate ? f->profile->sample_rate : own;

	for (size_t i = 0; list && list[i]; i++)
		if (list[i] == wanted)
			return wanted;
	return list ? 48000 : wanted;
}

static void choose_layout(const struct filter *f, char *text, size_t cap)
{
	const AVChannelLayout *own = &main_input(f)->layout;
	AVChannelLayout layout = {0};

	if (*f->profile->layout) {
		snprintf(text, cap, "%s", f->profile->layout);
		return;
	}
	av_channel_layout_default(&layout, f->profile->channels ? f->profile->channels
					   : own->nb_channels	? own->nb_channels
								: 2);
	if (!f->profile->channels && own->order == AV_CHANNEL_ORDER_NATIVE && own->nb_channels)
		av_channel_layout_describe(own, text, cap);
	else
		av_channel_layout_describe(&layout, text, cap);
	av_channel_layout_uninit(&layout);
}

static void audio_text(const struct filter *f, struct buf *b)
{
	const struct profile *p = f->profile;
	const enum AVSampleFormat *formats = av_compat_sample_fmts(p->audio.codec);
	enum AVSampleFormat format = p->sample_fmt != AV_SAMPLE_FMT_NONE ? p->sample_fmt
				     : formats				 ? formats[0]
									 : AV_SAMPLE_FMT_FLTP;
	char layout[64];

	user_text(f, &p->audio, false, b);
	if (p->volume)
		buf_printf(b, "volume=%d/256,", p->volume);
	if (p->loudness != 0)
		buf_printf(b, "loudnorm=I=%.1f,", p->loudness);
	choose_layout(f, layout, sizeof(layout));
	/* fill small gaps with silence and correct small drifts, because the encoder counts samples
	 */
	buf_printf(b, "aresample=async=1000:min_hard_comp=0.1,");
	buf_printf(b, "aformat=sample_fmts=%s:sample_rates=%d:channel_layouts=%s",
		   av_get_sample_fmt_name(format),
		   f->fixed_rate ? f->fixed_rate : choose_sample_rate(f),
		   *f->fixed_layout ? f->fixed_layout : layout);
}

static int make_source(struct filter *f, struct filter_input *in, const char *name)
{
	bool video = in->type == AVMEDIA_TYPE_VIDEO;
	const AVFilter *filter = avfilter_get_by_name(video ? "buffer" : "abuffer");
	AVBufferSrcParameters *parameters = av_buffersrc_parameters_alloc();
	int r = AVERROR(ENOMEM);

	in->source = avfilter_graph_alloc_filter(f->graph, filter, name);
	if (in->source && parameters) {
		parameters->time_base = ticks;
		parameters->format = in->format;
		parameters->width = in->width;
		parameters->height = in->height;
		parameters->sample_aspect_ratio = in->aspect;
		parameters->frame_rate = input_rate(in);
		parameters->hw_frames_ctx = in->frames;
		parameters->sample_rate = in->sample_rate;
		parameters->ch_layout = in->layout;
		av_compat_set_colours(parameters, in->colour_space, in->colour_range);
		r = av_buffersrc_parameters_set(in->source, parameters);
	}
	av_free(parameters);
	return r < 0 ? r : avfilter_init_str(in->source, NULL);
}

/* The sources with their labels, in front of `*list`: "in", or "in0", "in1" ... */
static int make_sources(struct filter *f, AVFilterInOut **list)
{
	const struct profile_kind *kind =
		f->type == AVMEDIA_TYPE_VIDEO ? &f->profile->video : &f->profile->audio;
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < f->input_count; i++) {
		AVFilterInOut *out = avfilter_inout_alloc();
		char name[16];

		if (!out)
			return AVERROR(ENOMEM);
		snprintf(name, sizeof(name), kind->part ? "in%u" : "in", i);
		r = make_source(f, &f->inputs[i], name);
		f->inputs[i].ended = false;
		*out = (AVFilterInOut){
			.name = av_strdup(name), .filter_ctx = f->inputs[i].source, .next = *list};
		*list = out;
	}
	return r;
}

static int link_graph(struct filter *f, const char *text)
{
	AVFilterInOut *in = avfilter_inout_alloc(), *out = NULL;
	int r = in ? make_sources(f, &out) : AVERROR(ENOMEM);

	if (r >= 0) {
		*in = (AVFilterInOut){.name = av_strdup("out"), .filter_ctx = f->sink};
		r = avfilter_graph_parse_ptr(f->graph, text, &in, &out, NULL);
	}
	avfilter_inout_free(&in);
	avfilter_inout_free(&out);
	for (unsigned i = 0; r >= 0 && f->hardware && i < f->graph->nb_filters; i++)
		f->graph->filters[i]->hw_device_ctx = av_buffer_ref(f->hardware->ref);
	return r < 0 ? r : avfilter_graph_config(f->graph, NULL);
}

static int build(struct filter *f)
{
	bool video = f->type == AVMEDIA_TYPE_VIDEO;
	struct buf text = BUF_INIT;
	int r;

	avfilter_graph_free(&f->graph);
	f->graph = avfilter_graph_alloc();
	if (!f->graph)
		return AVERROR(ENOMEM);
	f->graph->nb_threads = 1;
	if (*f->profile->sws_flags) {
		f->graph->scale_sws_opts = av_asprintf("flags=%s", f->profile->sws_flags);
		if (!f->graph->scale_sws_opts)
			return AVERROR(ENOMEM);
	}
	if (video)
		video_text(f, &text);
	else
		audio_text(f, &text);
	r = buf_ok(&text) ? 0 : AVERROR(ENOMEM);
	if (r >= 0)
		r = avfilter_graph_create_filter(
			&f->sink, avfilter_get_by_name(video ? "buffersink" : "abuffersink"), "out",
			NULL, NULL, f->graph);
	if (r >= 0)
		r = link_graph(f, text.data);
	if (r >= 0 && f->frame_size > 0)
		av_buffersink_set_frame_size(f->sink, (unsigned)f->frame_size);
	buf_done(&text);
	return r;
}

static bool same_memory(const struct filter_input *in, const AVFrame *frame)
{
	return (in->frames ? in->frames->data : NULL) ==
	       (frame->hw_frames_ctx ? frame->hw_frames_ctx->data : NULL);
}

/* True if the graph must be built again: this frame has another format, or its time jumps. */
static bool differs(const struct filter_input *in, const AVFrame *frame)
{
	if (!in->known || frame->format != in->format || !same_memory(in, frame))
		return true;
	if (in->last_90k != AV_NOPTS_VALUE &&
	    (frame->pts < in->last_90k - JUMP_90K || frame->pts > in->last_90k + JUMP_90K))
		return true;
	if (in->type == AVMEDIA_TYPE_VIDEO)
		return frame->width != in->width || frame->height != in->height;
	return frame->sample_rate != in->sample_rate ||
	       av_channel_layout_compare(&frame->ch_layout, &in->layout) != 0;
}

static int remember(struct filter_input *in, const AVFrame *frame)
{
	int r = av_buffer_replace(&in->frames, frame->hw_frames_ctx);

	if (r < 0)
		return r;
	in->known = true;
	in->format = frame->format;
	in->width = frame->width;
	in->height = frame->height;
	in->aspect = frame->sample_aspect_ratio;
	in->colour_space = frame->colorspace;
	in->colour_range = frame->color_range;
	in->sample_rate = frame->sample_rate;
	return av_channel_layout_copy(&in->layout, &frame->ch_layout);
}

static int64_t frame_length(const struct filter_input *in, const AVFrame *frame)
{
	if (in->type == AVMEDIA_TYPE_AUDIO)
		return frame->sample_rate > 0 ? frame->nb_samples * 90000LL / frame->sample_rate
					      : 0;
	/* with a longer duration a gap before the next frame would be lost */
	return MIN(MAX(av_compat_duration(frame), 0), LENGTH_MAX_90K);
}

static bool all_known(const struct filter *f)
{
	for (unsigned i = 0; i < f->input_count; i++)
		if (!f->inputs[i].known)
			return false;
	return true;
}

/* Keeps the newest frames of an input until the graph can be built. */
static int wait_for_others(struct filter_input *in, const AVFrame *frame)
{
	AVFrame *copy = av_frame_clone(frame);

	if (!copy)
		return AVERROR(ENOMEM);
	if (in->waiting_count == FILTER_WAITING_MAX) {
		av_frame_free(&in->waiting[0]);
		memmove(&in->waiting[0], &in->waiting[1],
			--in->waiting_count * sizeof(in->waiting[0]));
	}
	in->waiting[in->waiting_count++] = copy;
	return 0;
}

static int put_waiting(struct filter *f)
{
	int r = 0;

	for (unsigned i = 0; i < f->input_count; i++) {
		struct filter_input *in = &f->inputs[i];

		for (unsigned n = 0; n < in->waiting_count && r >= 0; n++)
			r = av_buffersrc_add_frame_flags(in->source, in->waiting[n],
							 AV_BUFFERSRC_FLAG_KEEP_REF);
		drop_waiting(in);
	}
	return r;
}

/* A graph waits for all its inputs, and keeps what the others get: one whose stream has stopped in
 * the source ends, and the graph goes on without it. */
static int end_starved(struct filter *f, int64_t now_90k)
{
	int r = 0;

	for (unsigned i = 0; i < f->input_count && r >= 0; i++) {
		struct filter_input *in = &f->inputs[i];

		if (in->ended || now_90k - in->last_90k <= STARVED_90K)
			continue;
		r = av_buffersrc_add_frame_flags(in->source, NULL, 0);
		in->ended = true;
	}
	return r;
}

int filter_put(struct filter *f, unsigned input, AVFrame *frame)
{
	struct filter_input *in = &f->inputs[input];
	bool again = !f->graph || in->ended || differs(in, frame);
	int r = 0;

	assert(input < f->input_count);
	if (again)
		r = remember(in, frame);
	if (r < 0)
		return r;
	in->last_90k = frame->pts + frame_length(in, frame);
	if (!all_known(f))
		return wait_for_others(in, frame);
	if (again)
		r = build(f);
	if (r >= 0 && again)
		r = put_waiting(f);
	if (r >= 0)
		r = end_starved(f, frame->pts);
	return r < 0 ? r
		     : av_buffersrc_add_frame_flags(in->source, frame, AV_BUFFERSRC_FLAG_KEEP_REF);
}

void filter_end(struct filter *f)
{
	bool failed = false;

	for (unsigned i = 0; f->graph && i < f->input_count; i++)
		failed |= av_buffersrc_add_frame_flags(f->inputs[i].source, NULL, 0) < 0;
	if (failed)
		avfilter_graph_free(&f->graph);
}

AVFrame *filter_take(struct filter *f)
{
	AVFrame *frame = f->frame;

	av_frame_unref(frame);
	if (!f->graph || av_buffersink_get_frame(f->sink, frame) < 0)
		return NULL;
	frame->pts = av_rescale_q(frame->pts, av_buffersink_get_time_base(f->sink), ticks);
	return frame;
}

void filter_fix(struct filter *f, const AVCodecContext *encoder)
{
	assert(encoder->codec_type == f->type);
	if (f->type == AVMEDIA_TYPE_VIDEO) {
		f->fixed_width = encoder->width;
		f->fixed_height = encoder->height;
		return;
	}
	f->fixed_rate = encoder->sample_rate;
	f->frame_size = encoder->frame_size;
	av_channel_layout_describe(&encoder->ch_layout, f->fixed_layout, sizeof(f->fixed_layout));
	if (f->frame_size > 0)
		av_buffersink_set_frame_size(f->sink, (unsigned)f->frame_size);
}

AVRational filter_rate(const struct filter *f)
{
	AVRational rate = av_buffersink_get_frame_rate(f->sink);

	if (rate.num > 0 && rate.den > 0)
		return rate;
	return input_rate_or_usual(f);
}
