#include "amps-transcoder/segment/fragments.h"

#include <assert.h>
#include <libavformat/avformat.h>

#include "amps-transcoder/av/byte_muxer.h"

#define AVIO_BYTES 32768
#define PICTURE_HZ 90000
#define MOVFLAGS   "frag_custom+empty_moov+default_base_moof+frag_discont+skip_trailer"
#define TRIES_MAX  8u
#define DELAYED	   MOVFLAGS "+delay_moov"

struct fragments {
	AVFormatContext *muxer;
	AVPacket *packet;
	struct buf init, bytes;
	bool begun;	/* the init segment is complete */
	unsigned tries; /* to write it */
	/* of the samples that wait */
	int64_t first_dts, end_dts, first_pts; /* first_dts AV_NOPTS_VALUE = none */
	bool independent;
};

static int write_bytes(void *opaque, av_written_byte *bytes, int n)
{
	struct fragments *f = opaque;
	struct buf *to = f->begun ? &f->bytes : &f->init;

	buf_add(to, bytes, (size_t)n);
	return buf_ok(to) ? n : AVERROR(ENOMEM);
}

bool fragments_carry(enum AVCodecID id)
{
	/* frames of LATM are in a frame of their own, without a length in samples */
	return id != AV_CODEC_ID_AAC_LATM &&
	       avformat_query_codec(av_guess_format("mp4", NULL, NULL), id, FF_COMPLIANCE_NORMAL) ==
		       1;
}

static int add_stream(struct fragments *f, const AVCodecParameters *parameters)
{
	AVStream *stream = avformat_new_stream(f->muxer, NULL);
	int r = stream ? avcodec_parameters_copy(stream->codecpar, parameters) : AVERROR(ENOMEM);

	if (r < 0)
		return r;
	stream->codecpar->codec_tag = 0;
	if (parameters->codec_id == AV_CODEC_ID_HEVC)
		stream->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');
	stream->time_base = (AVRational){1, parameters->codec_type == AVMEDIA_TYPE_AUDIO
						    ? parameters->sample_rate
						    : PICTURE_HZ};
	return fragments_carry(parameters->codec_id) ? 0 : AVERROR_PATCHWELCOME;
}

static int end_init(struct fragments *f)
{
	avio_flush(f->muxer->pb);
	f->begun = true;
	return buf_ok(&f->init) ? 0 : AVERROR(ENOMEM);
}

/* The boxes of Dolby's codecs are made of the first sample. */
static int write_init(struct fragments *f, enum AVCodecID id)
{
	bool delayed = id == AV_CODEC_ID_AC3 || id == AV_CODEC_ID_EAC3;
	AVDictionary *options = NULL;
	int r;

	av_dict_set(&options, "movflags", delayed ? DELAYED : MOVFLAGS, 0);
	av_dict_set_int(&options, "use_editlist", 0, 0);
	r = avformat_write_header(f->muxer, &options);
	av_dict_free(&options);
	return r < 0 || delayed ? MIN(r, 0) : end_init(f);
}

int fragments_new(const AVCodecParameters *parameters, struct fragments **ret)
{
	struct fragments *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return AVERROR(ENOMEM);
	f->first_dts = AV_NOPTS_VALUE;
	f->packet = av_packet_alloc();
	r = f->packet ? byte_muxer_open("mp4", AVIO_BYTES, write_bytes, f, &f->muxer)
		      : AVERROR(ENOMEM);
	if (r >= 0) {
		f->muxer->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
		r = add_stream(f, parameters);
	}
	if (r >= 0)
		r = write_init(f, parameters->codec_id);
	if (r < 0)
		f = fragments_free(f);
	*ret = f;
	return MIN(r, 0);
}

struct fragments *fragments_free(struct fragments *f)
{
	if (!f)
		return NULL;
	byte_muxer_close(&f->muxer);
	av_packet_free(&f->packet);
	buf_done(&f->init);
	buf_done(&f->bytes);
	free(f);
	return NULL;
}

AVRational fragments_time_base(const struct fragments *f)
{
	return f->muxer->streams[0]->time_base;
}

const struct buf *fragments_init(const struct fragments *f)
{
	return f->begun ? &f->init : NULL;
}

static void note(struct fragments *f, const AVPacket *packet)
{
	if (f->first_dts == AV_NOPTS_VALUE) {
		f->first_dts = packet->dts;
		f->first_pts = packet->pts;
		f->independent = packet->flags & AV_PKT_FLAG_KEY;
	}
	f->first_pts = MIN(f->first_pts, packet->pts);
	f->end_dts = packet->dts + packet->duration;
}

/* The first flush writes the delayed moov, and no sample.  Some streams need several frames for it;
 * libav 5.1 leaks a buffer with each try that fails. */
static int write_delayed(struct fragments *f)
{
	int r = ++f->tries > TRIES_MAX ? AVERROR_INVALIDDATA : av_write_frame(f->muxer, NULL);

	return r < 0 ? r : end_init(f);
}

int fragments_add(struct fragments *f, const AVPacket *packet)
{
	int r;

	assert(packet->duration > 0 && packet->dts != AV_NOPTS_VALUE);
	assert(f->first_dts == AV_NOPTS_VALUE || packet->dts > f->first_dts);
	r = av_packet_ref(f->packet, packet);
	if (r < 0)
		return r;
	f->packet->stream_index = 0;
	r = av_write_frame(f->muxer, f->packet);
	av_packet_unref(f->packet);
	if (r >= 0 && !f->begun)
		r = write_delayed(f);
	if (r >= 0)
		note(f, packet);
	return MIN(r, 0);
}

int64_t fragments_first(const struct fragments *f)
{
	return f->first_dts;
}

int fragments_cut(struct fragments *f, struct fragment *ret)
{
	int r;

	if (f->first_dts == AV_NOPTS_VALUE)
		return 0;
	buf_reset(&f->bytes);
	r = av_write_frame(f->muxer, NULL);
	avio_flush(f->muxer->pb);
	if (r < 0 || !buf_ok(&f->bytes))
		return r < 0 ? r : AVERROR(ENOMEM);
	*ret = (struct fragment){.bytes = (const uint8_t *)f->bytes.data,
				 .len = f->bytes.len,
				 .dts = f->first_dts,
				 .duration = f->end_dts - f->first_dts,
				 .pts = f->first_pts,
				 .independent = f->independent};
	f->first_dts = AV_NOPTS_VALUE;
	return 1;
}
