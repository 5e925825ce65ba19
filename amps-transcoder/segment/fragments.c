#include "amps-transcoder/segment/fragments.h"

#include <assert.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>

#include "amps-transcoder/av/byte_muxer.h"

#define AVIO_BYTES 32768
#define PICTURE_HZ 90000
#define MOVFLAGS   "frag_custom+empty_moov+default_base_moof+frag_discont+skip_trailer"
#define TRIES_MAX  8u
#define DELAYED	   MOVFLAGS "+delay_moov"

/* The samples of a stream that wait. */
struct waiting {
	int64_t first_dts, end_dts, first_pts; /* first_dts AV_NOPTS_VALUE = none */
	bool independent;
};

struct fragments {
	AVFormatContext *muxer;
	AVPacket *packet;
	struct buf init, bytes;
	bool begun;	  /* the init segment is complete */
	unsigned awaited; /* bits of the streams whose first sample it needs */
	unsigned tries;	  /* to write it */
	unsigned count;
	struct waiting waiting[FRAGMENT_STREAMS_MAX];
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
static bool is_delayed(const AVCodecParameters *parameters)
{
	return parameters->codec_id == AV_CODEC_ID_AC3 || parameters->codec_id == AV_CODEC_ID_EAC3;
}

static int write_init(struct fragments *f, unsigned first)
{
	AVDictionary *options = NULL;
	int r;

	av_dict_set(&options, "movflags", f->awaited ? DELAYED : MOVFLAGS, 0);
	av_dict_set_int(&options, "use_editlist", 0, 0);
	av_dict_set_int(&options, "fragment_index", first, 0);
	r = avformat_write_header(f->muxer, &options);
	av_dict_free(&options);
	return r < 0 || f->awaited ? MIN(r, 0) : end_init(f);
}

int fragments_new(const AVCodecParameters *parameters, struct fragments **ret)
{
	return fragments_new_streams(&parameters, 1, 1, ret);
}

int fragments_new_streams(const AVCodecParameters *const *parameters, unsigned count,
			  unsigned first, struct fragments **ret)
{
	struct fragments *f = calloc(1, sizeof(*f));
	int r;

	assert(count > 0 && count <= FRAGMENT_STREAMS_MAX && first > 0);
	if (!f)
		return AVERROR(ENOMEM);
	f->count = count;
	f->packet = av_packet_alloc();
	r = f->packet ? byte_muxer_open("mp4", AVIO_BYTES, write_bytes, f, &f->muxer)
		      : AVERROR(ENOMEM);
	if (r >= 0)
		f->muxer->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
	for (unsigned i = 0; i < count && r >= 0; i++) {
		f->waiting[i].first_dts = AV_NOPTS_VALUE;
		f->awaited |= (unsigned)is_delayed(parameters[i]) << i;
		r = add_stream(f, parameters[i]);
	}
	if (r >= 0)
		r = write_init(f, first);
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

const struct buf *fragments_init(const struct fragments *f)
{
	return f->begun ? &f->init : NULL;
}

static void note(struct waiting *w, const AVPacket *packet)
{
	if (w->first_dts == AV_NOPTS_VALUE) {
		w->first_dts = packet->dts;
		w->first_pts = packet->pts;
		w->independent = packet->flags & AV_PKT_FLAG_KEY;
	}
	w->first_pts = MIN(w->first_pts, packet->pts);
	w->end_dts = packet->dts + packet->duration;
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
	unsigned stream = (unsigned)packet->stream_index;
	struct waiting *w = &f->waiting[stream];
	int r;

	assert(stream < f->count && packet->duration > 0 && packet->dts != AV_NOPTS_VALUE);
	assert(w->first_dts == AV_NOPTS_VALUE || packet->dts > w->first_dts);
	r = av_packet_ref(f->packet, packet);
	if (r < 0)
		return r;
	r = av_write_frame(f->muxer, f->packet);
	av_packet_unref(f->packet);
	f->awaited &= ~(1u << stream);
	if (r >= 0 && !f->begun && !f->awaited)
		r = write_delayed(f);
	if (r >= 0)
		note(w, packet);
	return MIN(r, 0);
}

void fragments_gap(struct fragments *f)
{
	int r = av_opt_set(f->muxer->priv_data, "movflags", "+frag_discont", 0);

	assert(r >= 0);
	(void)r;
}

int64_t fragments_first_of(const struct fragments *f, unsigned stream)
{
	assert(stream < f->count);
	return f->waiting[stream].first_dts;
}

int fragments_cut(struct fragments *f, struct fragment *ret)
{
	const struct waiting *w = &f->waiting[0];
	bool any = false, first = w->first_dts != AV_NOPTS_VALUE;
	int r;

	for (unsigned i = 0; i < f->count; i++)
		any |= f->waiting[i].first_dts != AV_NOPTS_VALUE;
	if (!any)
		return 0;
	assert(f->begun);
	buf_reset(&f->bytes);
	r = av_write_frame(f->muxer, NULL);
	avio_flush(f->muxer->pb);
	if (r < 0 || !buf_ok(&f->bytes))
		return r < 0 ? r : AVERROR(ENOMEM);
	*ret = (struct fragment){.bytes = (const uint8_t *)f->bytes.data,
				 .len = f->bytes.len,
				 .dts = w->first_dts,
				 .duration = first ? w->end_dts - w->first_dts : 0,
				 .pts = w->first_pts,
				 .independent = w->independent};
	for (unsigned i = 0; i < f->count; i++)
		f->waiting[i].first_dts = AV_NOPTS_VALUE;
	return 1;
}
