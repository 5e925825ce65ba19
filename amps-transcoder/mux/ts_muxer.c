#include "amps-transcoder/mux/ts_muxer.h"

#include <assert.h>

#include "amps-transcoder/av/byte_muxer.h"

#define BUFFER_BYTES (16 * 7 * TS_PACKET)

static int write_bytes(void *opaque, av_written_byte *bytes, int n)
{
	ts_pcr_put(opaque, bytes, (size_t)n);
	return n;
}

static void write_sink(void *owner, const void *bytes, size_t n)
{
	ts_sink_write(owner, bytes, n);
}

void ts_muxer_init(struct ts_muxer *m, struct ts_sink *sink)
{
	m->context = NULL;
	ts_pcr_init(&m->pcr, write_sink, sink);
}

int ts_muxer_open(struct ts_muxer *m)
{
	int r;

	assert(!m->context);
	r = byte_muxer_open("mpegts", BUFFER_BYTES, write_bytes, &m->pcr, &m->context);
	if (r == 0)
		m->context->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
	return r;
}

void ts_muxer_close(struct ts_muxer *m)
{
	byte_muxer_close(&m->context);
}

bool ts_muxer_fits(enum AVCodecID id)
{
	static const enum AVCodecID fitting[] = {
		AV_CODEC_ID_H264,	  AV_CODEC_ID_HEVC,	    AV_CODEC_ID_MPEG2VIDEO,
		AV_CODEC_ID_MPEG1VIDEO,	  AV_CODEC_ID_MPEG4,	    AV_CODEC_ID_AAC,
		AV_CODEC_ID_AAC_LATM,	  AV_CODEC_ID_MP1,	    AV_CODEC_ID_MP2,
		AV_CODEC_ID_MP3,	  AV_CODEC_ID_AC3,	    AV_CODEC_ID_EAC3,
		AV_CODEC_ID_DTS,	  AV_CODEC_ID_TRUEHD,	    AV_CODEC_ID_OPUS,
		AV_CODEC_ID_DVB_SUBTITLE, AV_CODEC_ID_DVB_TELETEXT,
	};

	for (size_t i = 0; i < array_size(fitting); i++)
		if (fitting[i] == id)
			return true;
	return false;
}
