#include "amps-transcoder/ts/sound.h"

#include <libavcodec/avcodec.h>

#include "amps-transcoder/ts/parse.h"

static_assert(TS_SOUND_PADDING >= AV_INPUT_BUFFER_PADDING_SIZE, "libavcodec reads ahead");

struct sound {
	AVCodecContext *decoder;
	AVCodecParserContext *parser;
	AVPacket *packet;
	AVFrame *frame;
	int64_t frames, frame_90k;
};

static int sound_open(struct sound *s, const char *codec)
{
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(codec);
	const AVCodec *c = d ? avcodec_find_decoder(d->id) : NULL;

	if (!c)
		return -ENOENT;
	s->parser = av_parser_init((int)d->id);
	s->decoder = avcodec_alloc_context3(c);
	s->packet = av_packet_alloc();
	s->frame = av_frame_alloc();
	if (!s->parser || !s->decoder || !s->packet || !s->frame)
		return -ENOMEM;
	s->decoder->thread_count = 1;
	return avcodec_open2(s->decoder, c, NULL) < 0 ? -EINVAL : 0;
}

static void sound_close(struct sound *s)
{
	av_parser_close(s->parser);
	avcodec_free_context(&s->decoder);
	av_packet_free(&s->packet);
	av_frame_free(&s->frame);
}

/* Counts the frames; one that decodes gives their duration. */
static void count_frame(struct sound *s, uint8_t *data, int n)
{
	s->frames++;
	s->packet->data = data;
	s->packet->size = n;
	if (avcodec_send_packet(s->decoder, s->packet) < 0)
		return;
	while (avcodec_receive_frame(s->decoder, s->frame) >= 0)
		if (s->frame->sample_rate > 0)
			s->frame_90k =
				av_rescale(s->frame->nb_samples, TS_HZ, s->frame->sample_rate);
}

int64_t ts_sound_length_90k(const char *codec, const uint8_t *data, size_t n)
{
	struct sound s = {0};
	int r = sound_open(&s, codec);

	while (r >= 0) {
		uint8_t *out;
		int out_n;

		/* an empty input makes the parser return the last frame */
		r = av_parser_parse2(s.parser, s.decoder, &out, &out_n, data, (int)n,
				     AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0);
		if (r >= 0 && out_n > 0)
			count_frame(&s, out, out_n);
		else if (n == 0)
			break;
		if (r >= 0) {
			data += r;
			n -= (size_t)r;
		}
	}
	sound_close(&s);
	return s.frames * s.frame_90k;
}
