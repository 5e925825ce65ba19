#include "amps-transcoder/ts_output.h"

#include <string.h>

#include "amps-transcoder/av_compat.h"

#define BUFFER_BYTES	   (7 * TS_PACKET)
#define PCR_AHEAD_US	   "150000" /* a large picture is there before its time comes */
#define INTERLEAVE_WAIT_US 2000000  /* a stream that pauses holds the others no longer than that */

static const AVRational ticks = {1, 90000};

static int write_bytes(void *opaque, av_written_byte *bytes, int n)
{
	struct ts_output *o = opaque;

	ts_sink_write(o->sink, bytes, (size_t)n);
	return n;
}

int ts_output_open(struct ts_output *o, struct ts_sink *sink, const char *service,
		   const AVDictionary *metadata)
{
	uint8_t *buffer;
	int r;

	memset(o, 0, sizeof(*o));
	o->sink = sink;
	for (size_t i = 0; i < TS_OUTPUT_STREAMS_MAX; i++)
		o->last_dts[i] = AV_NOPTS_VALUE;
	r = avformat_alloc_output_context2(&o->muxer, NULL, "mpegts", NULL);
	if (r < 0)
		return r;
	buffer = av_malloc(BUFFER_BYTES);
	o->muxer->pb =
		buffer ? avio_alloc_context(buffer, BUFFER_BYTES, 1, o, NULL, write_bytes, NULL)
		       : NULL;
	if (!o->muxer->pb) {
		av_free(buffer);
		ts_output_close(o);
		return AVERROR(ENOMEM);
	}
	o->muxer->flags |= AVFMT_FLAG_FLUSH_PACKETS | AVFMT_FLAG_CUSTOM_IO;
	o->muxer->max_interleave_delta = INTERLEAVE_WAIT_US;
	o->muxer->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
	if (service && *service)
		av_dict_set(&o->muxer->metadata, "service_name", service, 0);
	av_dict_set(&o->muxer->metadata, "service_provider", "Amps", 0);
	av_dict_copy(&o->muxer->metadata, metadata, 0);
	return 0;
}

int ts_output_add(struct ts_output *o, const AVCodecParameters *parameters, const char *language)
{
	AVStream *stream;
	int r;

	if (o->muxer->nb_streams == TS_OUTPUT_STREAMS_MAX)
		return AVERROR(E2BIG);
	stream = avformat_new_stream(o->muxer, NULL);
	if (!stream)
		return AVERROR(ENOMEM);
	r = avcodec_parameters_copy(stream->codecpar, parameters);
	if (r < 0)
		return r;
	stream->codecpar->codec_tag = 0;
	stream->time_base = ticks;
	if (*language)
		av_dict_set(&stream->metadata, "language", language, 0);
	/* a copied stream that nobody decoded has none, and the muxer insists */
	if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO &&
	    stream->codecpar->sample_rate <= 0)
		stream->codecpar->sample_rate = 48000;
	return stream->index;
}

int ts_output_begin(struct ts_output *o, const AVDictionary *options)
{
	AVDictionary *all = NULL;
	int r;

	av_dict_set(&all, "mpegts_copyts", "1", 0);
	av_dict_set(&all, "max_delay", PCR_AHEAD_US, 0);
	av_dict_set(&all, "pcr_period", "20", 0);
	av_dict_set(&all, "pes_payload_size", "0", 0);
	av_dict_set(&all, "mpegts_flags", "+pat_pmt_at_frames", 0);
	av_dict_copy(&all, options, 0);
	r = avformat_write_header(o->muxer, &all);
	av_dict_free(&all);
	o->begun = r >= 0;
	return r < 0 ? r : 0;
}

/* Keeps the muxer's rules: each stream's DTS grows, no PTS lies before its DTS. */
static void straighten(struct ts_output *o, unsigned stream, AVPacket *packet)
{
	int64_t *last = &o->last_dts[stream];

	if (packet->dts == AV_NOPTS_VALUE)
		packet->dts = packet->pts;
	if (packet->dts == AV_NOPTS_VALUE)
		packet->dts = *last == AV_NOPTS_VALUE ? 0 : *last + 1;
	if (*last != AV_NOPTS_VALUE && packet->dts <= *last)
		packet->dts = *last + 1;
	if (packet->pts == AV_NOPTS_VALUE || packet->pts < packet->dts)
		packet->pts = packet->dts;
	*last = packet->dts;
}

int ts_output_write(struct ts_output *o, unsigned stream, const AVPacket *packet)
{
	AVPacket *copy = av_packet_clone(packet);
	int r;

	if (!copy)
		return AVERROR(ENOMEM);
	copy->stream_index = (int)stream;
	copy->time_base = ticks;
	copy->pos = -1;
	straighten(o, stream, copy);
	av_packet_rescale_ts(copy, ticks, o->muxer->streams[stream]->time_base);
	r = av_interleaved_write_frame(o->muxer, copy);
	av_packet_free(&copy);
	return r;
}

void ts_output_close(struct ts_output *o)
{
	if (!o->muxer)
		return;
	if (o->begun)
		av_write_trailer(o->muxer);
	if (o->muxer->pb)
		av_freep(&o->muxer->pb->buffer);
	avio_context_free(&o->muxer->pb);
	avformat_free_context(o->muxer);
	memset(o, 0, sizeof(*o));
}
