#include "amps-transcoder/encode/decode.h"

#include <assert.h>
#include <string.h>

#include "amps-transcoder/options/hardware_name.h"

/* Pictures that filters and encoders hold at one time, beside those that the decoder refers to: the
 * memory of some devices is allotted in advance. */
#define HELD_FRAMES 16

int decoder_open(struct decoder *d, const AVCodecParameters *parameters,
		 const struct hardware *hardware)
{
	const AVCodec *codec = hardware_decoder(hardware ? hardware->type : AV_HWDEVICE_TYPE_NONE,
						parameters->codec_id);
	int r = AVERROR(ENOMEM);

	memset(d, 0, sizeof(*d));
	if (!codec) {
		av_log(NULL, AV_LOG_ERROR, "no decoder for %s\n",
		       avcodec_get_name(parameters->codec_id));
		return AVERROR_DECODER_NOT_FOUND;
	}
	d->ctx = avcodec_alloc_context3(codec);
	d->frame = av_frame_alloc();
	if (d->ctx && d->frame)
		r = avcodec_parameters_to_context(d->ctx, parameters);
	if (r >= 0) {
		d->ctx->pkt_timebase = (AVRational){1, 90000};
		/* frame threading delays the output by one picture per thread */
		d->ctx->thread_type = FF_THREAD_SLICE;
		d->ctx->thread_count = 0;
		if (hardware) {
			d->ctx->hw_device_ctx = av_buffer_ref(hardware->ref);
			d->ctx->extra_hw_frames = HELD_FRAMES;
		}
		r = avcodec_open2(d->ctx, codec, NULL);
	}
	d->wait_key = parameters->codec_type == AVMEDIA_TYPE_VIDEO;
	if (r < 0)
		decoder_close(d);
	return r;
}

void decoder_close(struct decoder *d)
{
	avcodec_free_context(&d->ctx);
	av_frame_free(&d->frame);
}

void decoder_put(struct decoder *d, const AVPacket *packet)
{
	assert(d->ctx);
	if (packet && d->wait_key) {
		if (!(packet->flags & AV_PKT_FLAG_KEY))
			return;
		d->wait_key = false;
	}
	/* the source is damaged here; the next packet may be intact */
	(void)!avcodec_send_packet(d->ctx, packet);
}

AVFrame *decoder_take(struct decoder *d)
{
	av_frame_unref(d->frame);
	while (avcodec_receive_frame(d->ctx, d->frame) >= 0) {
		d->frame->pts = d->frame->best_effort_timestamp;
		if (d->frame->pts != AV_NOPTS_VALUE)
			return d->frame;
		av_frame_unref(d->frame);
	}
	return NULL;
}
