#include <string.h>
#include "unit.h"

#include <libavcodec/avcodec.h>

#include "amps-transcoder/av/compat.h"
#include "amps-transcoder/ts/sound.h"

static uint8_t data[64 << 10];

/* Appends `frames` frames of silence at 48 kHz; how many bytes there are. */
static size_t encode(const char *encoder, int frames)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(encoder);
	AVCodecContext *c = avcodec_alloc_context3(codec);
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	size_t n = 0;

	c->sample_rate = 48000;
	c->sample_fmt = av_compat_sample_fmts(codec)[0];
	c->bit_rate = 192000;
	av_channel_layout_default(&c->ch_layout, 2);
	cr_assert_geq(avcodec_open2(c, codec, NULL), 0);
	frame->nb_samples = c->frame_size;
	frame->format = c->sample_fmt;
	frame->sample_rate = c->sample_rate;
	av_channel_layout_copy(&frame->ch_layout, &c->ch_layout);
	cr_assert_geq(av_frame_get_buffer(frame, 0), 0);
	for (int plane = 0; plane < AV_NUM_DATA_POINTERS && frame->data[plane]; plane++)
		memset(frame->data[plane], 0, (size_t)frame->linesize[0]);
	memset(data, 0, sizeof(data));
	for (int i = 0; i < frames; i++) {
		frame->pts = (int64_t)i * c->frame_size;
		cr_assert_geq(avcodec_send_frame(c, frame), 0);
		while (avcodec_receive_packet(c, packet) >= 0) {
			memcpy(data + n, packet->data, (size_t)packet->size);
			n += (size_t)packet->size;
			av_packet_unref(packet);
		}
	}
	av_frame_free(&frame);
	av_packet_free(&packet);
	avcodec_free_context(&c);
	return n;
}

Test(ts_sound, every_frame_counts)
{
	for (int frames = 1; frames < 12; frames++) {
		cr_assert_eq(ts_sound_length_90k("mp2", data, encode("mp2", frames)), frames * 2160,
			     "%d", frames);
		cr_assert_eq(ts_sound_length_90k("ac3", data, encode("ac3", frames)), frames * 2880,
			     "%d", frames);
	}
}

Test(ts_sound, the_end_of_an_older_frame_does_not_count)
{
	size_t n = encode("mp2", 4);

	cr_assert_eq(ts_sound_length_90k("mp2", data + 100, n - 100), 3 * 2160);
}

Test(ts_sound, an_unknown_codec_has_no_length)
{
	size_t n = encode("mp2", 4);

	cr_assert_eq(ts_sound_length_90k("", data, n), 0);
	cr_assert_eq(ts_sound_length_90k("nonsense", data, n), 0);
	cr_assert_eq(ts_sound_length_90k("mp2", data, 0), 0);
	memset(data, 0x55, sizeof(data) - TS_SOUND_PADDING);
	cr_assert_eq(ts_sound_length_90k("aac", data, 5000), 0);
}
