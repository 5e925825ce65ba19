#include "amps-transcoder/content/content.h"

#include <assert.h>

#define BLOCK_PIXELS 256u
#define PIXELS_MAX   (8192 * 4320)
#define FILLER_MIN   8 /* bytes 0xff in a row are a filler, not coded pictures */

int content_init(struct content *c)
{
	*c = (struct content){.frame = av_frame_alloc(), .kept = av_packet_alloc()};
	content_judge_init(&c->judge);
	return c->frame && c->kept ? 0 : AVERROR(ENOMEM);
}

void content_restart(struct content *c)
{
	avcodec_free_context(&c->picture);
	avcodec_free_context(&c->sound);
	luma_done(&c->same);
	luma_done(&c->alike);
	if (c->kept)
		av_packet_unref(c->kept);
	content_judge_init(&c->judge);
	c->broken = false;
}

void content_done(struct content *c)
{
	content_restart(c);
	luma_done(&c->shown);
	av_frame_free(&c->frame);
	av_packet_free(&c->kept);
}

/* NULL: it cannot be decoded. */
static AVCodecContext *open_decoder(const AVCodecParameters *parameters)
{
	const AVCodec *codec = avcodec_find_decoder(parameters->codec_id);
	AVCodecContext *ctx = codec ? avcodec_alloc_context3(codec) : NULL;

	if (ctx && avcodec_parameters_to_context(ctx, parameters) >= 0) {
		ctx->pkt_timebase = (AVRational){1, CONTENT_HZ};
		ctx->thread_count = 1;
		ctx->max_pixels = PIXELS_MAX;
		/* single pictures are decoded, also those that others refer beyond */
		ctx->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
		ctx->flags2 |= AV_CODEC_FLAG2_SHOW_ALL;
		if (avcodec_open2(ctx, codec, NULL) >= 0)
			return ctx;
	}
	avcodec_free_context(&ctx);
	return NULL;
}

/* The bytes of a picture without those with which an encoder of constant rate fills up. */
static size_t useful_bytes(const AVPacket *packet)
{
	const uint8_t *data = packet->data;
	size_t n = (size_t)packet->size, end;

	while (n > 0 && data[n - 1] == 0)
		n--;
	end = n > 0 && data[n - 1] == 0x80 ? n - 1 : n;
	n = end;
	while (n > 0 && data[n - 1] == 0xff)
		n--;
	return end - n >= FILLER_MIN ? n : end;
}

/* Decodes this one key frame.  False: there is no picture. */
static bool decode_key(struct content *c, const AVCodecParameters *parameters,
		       const AVPacket *packet)
{
	bool found = false;

	if (!c->picture)
		c->picture = open_decoder(parameters);
	if (!c->picture) {
		c->broken = true;
		return false;
	}
	(void)!avcodec_send_packet(c->picture, packet);
	(void)!avcodec_send_packet(c->picture, NULL);
	while (avcodec_receive_frame(c->picture, c->frame) >= 0) {
		found = luma_take(&c->shown, c->frame) == 0;
		av_frame_unref(c->frame);
	}
	avcodec_flush_buffers(c->picture);
	return found;
}

/* True if it is so much like the one before; else it takes its place. */
static bool compare(struct luma *before, const struct luma *shown, enum content_likeness least)
{
	double mean, block;

	if (luma_difference(shown, before, &mean, &block) && content_likeness(mean, block) <= least)
		return true;
	if (luma_copy(before, shown) < 0)
		luma_done(before);
	return false;
}

/* Without memory to keep it, later ones are compared with none. */
static void keep_key(struct content *c, const AVPacket *packet, int64_t time_90k)
{
	luma_done(&c->same);
	luma_done(&c->alike);
	av_packet_unref(c->kept);
	(void)!av_packet_ref(c->kept, packet);
	c->kept_90k = time_90k;
	content_judge_kept(&c->judge, time_90k);
}

static void look_at_kept(struct content *c, const AVCodecParameters *parameters)
{
	if (c->kept->size > 0 && decode_key(c, parameters, c->kept)) {
		(void)!compare(&c->same, &c->shown, CONTENT_SAME);
		(void)!compare(&c->alike, &c->shown, CONTENT_ALIKE);
		content_judge_kept_key(&c->judge, c->kept_90k, luma_is_dark(&c->shown));
	}
	av_packet_unref(c->kept);
}

static void look_at(struct content *c, const AVCodecParameters *parameters, const AVPacket *packet,
		    int64_t time_90k)
{
	bool same, alike;

	look_at_kept(c, parameters);
	if (!decode_key(c, parameters, packet))
		return;
	same = compare(&c->same, &c->shown, CONTENT_SAME);
	alike = compare(&c->alike, &c->shown, CONTENT_ALIKE);
	content_judge_key(&c->judge, time_90k, same, alike, luma_is_dark(&c->shown));
}

static void take_key(struct content *c, const AVCodecParameters *parameters, const AVPacket *packet,
		     int64_t time_90k)
{
	enum content_look look = content_judge_look(&c->judge, time_90k);

	if (c->broken || look == CONTENT_PASS)
		return;
	if (look == CONTENT_KEEP)
		keep_key(c, packet, time_90k);
	else
		look_at(c, parameters, packet, time_90k);
}

static void take_picture(struct content *c, const AVCodecParameters *parameters,
			 const AVPacket *packet, int64_t time_90k)
{
	uint64_t pixels = (uint64_t)c->shown.width * c->shown.height;
	bool coarse = parameters->codec_id == AV_CODEC_ID_MPEG2VIDEO ||
		      parameters->codec_id == AV_CODEC_ID_MPEG1VIDEO;

	if (packet->flags & AV_PKT_FLAG_KEY)
		take_key(c, parameters, packet, time_90k);
	else
		content_judge_picture(&c->judge, time_90k, useful_bytes(packet),
				      pixels / BLOCK_PIXELS, coarse);
}

/* The size of a sample, 1.0 = full scale; also where the format is none that is read here. */
static double sample_of(const uint8_t *plane, int at, enum AVSampleFormat format)
{
	double value = 1;

	if (format == AV_SAMPLE_FMT_FLT)
		value = (double)((const float *)plane)[at];
	else if (format == AV_SAMPLE_FMT_S16)
		value = ((const int16_t *)plane)[at] / 32768.0;
	else if (format == AV_SAMPLE_FMT_S32)
		value = ((const int32_t *)plane)[at] / 2147483648.0;
	return value < 0 ? -value : value;
}

static double peak_of(const AVFrame *f)
{
	enum AVSampleFormat format = (enum AVSampleFormat)f->format;
	bool planar = av_sample_fmt_is_planar(format);
	int channels = f->ch_layout.nb_channels;
	int planes = planar ? channels : 1, samples = f->nb_samples * (planar ? 1 : channels);
	double peak = 0;

	for (int i = 0; i < planes; i++)
		for (int n = 0; n < samples; n++)
			peak = MAX(peak, sample_of(f->extended_data[i], n,
						   av_get_packed_sample_fmt(format)));
	return peak;
}

static void take_sound(struct content *c, const AVCodecParameters *parameters,
		       const AVPacket *packet, int64_t time_90k)
{
	if (!content_judge_sound(&c->judge, time_90k, (uint32_t)packet->size)) {
		/* what follows later does not go on where the decoder is */
		avcodec_free_context(&c->sound);
		return;
	}
	if (!c->sound) {
		c->sound = open_decoder(parameters);
		c->sound_fresh = true;
	}
	if (!c->sound || avcodec_send_packet(c->sound, packet) < 0)
		return;
	while (avcodec_receive_frame(c->sound, c->frame) >= 0) {
		if (!c->sound_fresh)
			content_judge_peak(&c->judge, time_90k, peak_of(c->frame));
		c->sound_fresh = false;
		av_frame_unref(c->frame);
	}
}

/* Is it the first stream of its kind that can be judged? */
static bool is_first(const AVFormatContext *ic, int index)
{
	const AVCodecParameters *par = ic->streams[index]->codecpar;

	for (int i = 0; i < index; i++)
		if (ic->streams[i]->codecpar->codec_type == par->codec_type &&
		    ic->streams[i]->codecpar->codec_id != AV_CODEC_ID_NONE)
			return false;
	return par->codec_id != AV_CODEC_ID_NONE;
}

void content_packet(struct content *c, const AVFormatContext *ic, const AVPacket *packet)
{
	int64_t time = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
	const AVCodecParameters *par;

	assert(packet->stream_index >= 0 && (unsigned)packet->stream_index < ic->nb_streams);
	par = ic->streams[packet->stream_index]->codecpar;
	if (time == AV_NOPTS_VALUE || packet->size <= 0 || !is_first(ic, packet->stream_index))
		return;
	if (par->codec_type == AVMEDIA_TYPE_VIDEO)
		take_picture(c, par, packet, time);
	else if (par->codec_type == AVMEDIA_TYPE_AUDIO)
		take_sound(c, par, packet, time);
}
