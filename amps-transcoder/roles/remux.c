#include "amps-transcoder/roles/remux.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>

#include "amps-transcoder/av/stream_text.h"
#include "amps-transcoder/mux/remux_clock.h"
#include "amps-transcoder/mux/ts_muxer.h"
#include "amps-transcoder/roles/demux.h"
#include "common/log/log.h"

#define MUX_DELAY_US	  500000      /* between a packet's PCR and its DTS */
#define MUX_INTERLEAVE_US 1000000     /* how long a paused stream may delay the others */
#define REORDER_90K	  (TS_HZ / 2) /* longest distance of a PTS from its DTS */
#define REORDER_FIRST_90K (TS_HZ / 100)
#define NOT_CARRIED	  (-1)

struct remux_stream {
	int out; /* index in the muxer, or NOT_CARRIED */
	struct remux_track track;
};

struct remux {
	struct intake *in;
	const AVFormatContext *demuxer; /* borrowed */
	struct ts_sink *sink;		/* the muxer's */
	struct ts_muxer muxer;
	struct remux_clock clock;
	struct remux_stream *streams;
	unsigned stream_count;
	bool coarse; /* the source may interleave its streams in long pieces */
};

/* "0:video:h264,1:audio:aac" */
static void streams_text(const AVFormatContext *demuxer, char *dst, size_t cap)
{
	size_t used = 0;

	*dst = '\0';
	for (unsigned i = 0; i < demuxer->nb_streams && used < cap; i++) {
		const AVCodecParameters *par = demuxer->streams[i]->codecpar;
		const char *kind = av_get_media_type_string(par->codec_type);

		used += (size_t)snprintf(dst + used, cap - used, "%s%u:%s:%s", i ? "," : "", i,
					 kind ? kind : "data", avcodec_get_name(par->codec_id));
	}
}

/* Of several programmes (variants of a playlist), the one asked for, else the one with the best
 * picture. */
static const AVProgram *programme_of(AVFormatContext *ic, int64_t wanted)
{
	int best = av_find_best_stream(ic, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);

	for (unsigned i = 0; wanted && i < ic->nb_programs; i++)
		if (ic->programs[i]->id == wanted)
			return ic->programs[i];
	return best < 0 ? NULL : av_find_program_from_stream(ic, NULL, best);
}

static bool belongs(const AVProgram *programme, unsigned index)
{
	if (!programme)
		return true;
	for (unsigned i = 0; i < programme->nb_stream_indexes; i++)
		if (programme->stream_index[i] == index)
			return true;
	return false;
}

static bool is_wanted(const AVStream *st)
{
	enum AVMediaType type = st->codecpar->codec_type;

	if (st->disposition & AV_DISPOSITION_ATTACHED_PIC)
		return false;
	return type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO ||
	       type == AVMEDIA_TYPE_SUBTITLE;
}

static bool has_pictures(AVFormatContext *ic)
{
	int best = av_find_best_stream(ic, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);

	return best >= 0 && is_wanted(ic->streams[best]);
}

/* Adds a stream to the muxer if it can be carried.  0 or a libav error. */
static int carry_stream(struct remux *m, AVStream *from)
{
	AVStream *to;
	int r;

	if (!ts_muxer_fits(from->codecpar->codec_id)) {
		char text[STREAM_TEXT_MAX];

		stream_text(from, text, sizeof(text));
		job_report_notice(m->in->job, "MPEG-TS cannot carry %s of the source", text);
		from->discard = AVDISCARD_ALL;
		return 0;
	}
	assert(from->index >= 0 && (unsigned)from->index < m->stream_count);
	to = avformat_new_stream(m->muxer.context, NULL);
	if (!to)
		return AVERROR(ENOMEM);
	r = avcodec_parameters_copy(to->codecpar, from->codecpar);
	to->codecpar->codec_tag = 0;
	to->time_base = (AVRational){1, TS_HZ};
	av_dict_copy(&to->metadata, from->metadata, 0);
	m->streams[from->index].out = to->index;
	return r;
}

static int carry_streams(struct remux *m, AVFormatContext *demuxer)
{
	const AVProgram *programme = programme_of(demuxer, m->in->source.options.programme);

	m->stream_count = demuxer->nb_streams;
	m->streams = calloc(m->stream_count, sizeof(*m->streams));
	if (!m->streams)
		return AVERROR(ENOMEM);
	for (unsigned i = 0; i < m->stream_count; i++) {
		AVStream *st = demuxer->streams[i];
		int r;

		m->streams[i] = (struct remux_stream){.out = NOT_CARRIED, .track = REMUX_TRACK_NEW};
		if (st->discard == AVDISCARD_ALL || !belongs(programme, i) || !is_wanted(st)) {
			st->discard = AVDISCARD_ALL;
			continue;
		}
		r = carry_stream(m, st);
		if (r < 0)
			return r;
	}
	return m->muxer.context->nb_streams ? 0 : AVERROR_STREAM_NOT_FOUND;
}

/* Fragmented MP4 has a second of pictures, then a second of sound, and RTP has a connection for
 * each stream: without interleaving the sound would be late.  The packets of a transport stream are
 * interleaved already. */
static bool is_coarse(const AVFormatContext *ic)
{
	return strcmp(ic->iformat->name, "mpegts") != 0;
}

static int open_muxer(struct remux *m, AVFormatContext *demuxer)
{
	int r = ts_muxer_open(&m->muxer);
	AVFormatContext *context = m->muxer.context;

	if (r < 0)
		return r;
	context->max_delay = MUX_DELAY_US;
	context->max_interleave_delta = MUX_INTERLEAVE_US;
	m->coarse = is_coarse(demuxer);
	av_dict_copy(&context->metadata, demuxer->metadata, 0);
	r = carry_streams(m, demuxer);
	return r < 0 ? r : avformat_write_header(context, NULL);
}

/* The codec of the best picture or the best sound that a transport stream cannot carry, or NULL. */
static const char *unfit_codec(AVFormatContext *ic)
{
	static const enum AVMediaType types[] = {AVMEDIA_TYPE_VIDEO, AVMEDIA_TYPE_AUDIO};

	for (size_t i = 0; i < array_size(types); i++) {
		int best = av_find_best_stream(ic, types[i], -1, -1, NULL, 0);

		if (best >= 0 && is_wanted(ic->streams[best]) &&
		    !ts_muxer_fits(ic->streams[best]->codecpar->codec_id))
			return avcodec_get_name(ic->streams[best]->codecpar->codec_id);
	}
	return NULL;
}

static int64_t to_90k(int64_t value, AVRational base)
{
	return av_rescale_q(value, base, (AVRational){1, TS_HZ});
}

/* Some containers have only a PTS. libavformat derives a DTS from the third picture on, beginning
 * at the PTS of the first: the pictures before it must not have a later one.  The first picture of
 * a timeline gets a DTS slightly before its PTS, because it decides where the timeline begins; the
 * others follow the last one closely. */
static int64_t dts_of(const struct remux *m, const AVPacket *pkt, const AVStream *st,
		      const struct remux_stream *s)
{
	bool first = m->clock.rebase || s->track.last_dts == TIME_NONE;

	if (pkt->dts != AV_NOPTS_VALUE || pkt->pts == AV_NOPTS_VALUE ||
	    st->codecpar->codec_type != AVMEDIA_TYPE_VIDEO)
		return pkt->dts != AV_NOPTS_VALUE ? pkt->dts : pkt->pts;
	return pkt->pts - av_rescale_q(first ? REORDER_FIRST_90K : REORDER_90K,
				       (AVRational){1, TS_HZ}, st->time_base);
}

/* Maps the times of the packet to our timeline. */
static void place(struct remux *m, AVPacket *pkt, const AVStream *st, struct remux_stream *s)
{
	int64_t dts = dts_of(m, pkt, st, s);
	int64_t pts = pkt->pts != AV_NOPTS_VALUE ? pkt->pts : dts;
	bool wraps = st->pts_wrap_bits == 33 && st->time_base.den == TS_HZ;
	bool leads = st->codecpar->codec_type != AVMEDIA_TYPE_SUBTITLE;

	pkt->duration = to_90k(pkt->duration, st->time_base);
	if (dts == AV_NOPTS_VALUE) {
		pkt->dts = pkt->pts =
			s->track.last_dts == TIME_NONE ? REMUX_START_90K : s->track.last_dts + 1;
		s->track.last_dts = pkt->dts;
	} else {
		pkt->dts = to_90k(dts, st->time_base);
		pkt->pts = to_90k(pts, st->time_base);
		remux_clock_place(&m->clock, wraps, leads, pkt->duration, &s->track, &pkt->dts,
				  &pkt->pts);
	}
}

static bool place_packet(void *owner, AVPacket *pkt, int64_t *ret_90k)
{
	struct remux *m = owner;
	struct remux_stream *s;

	if ((unsigned)pkt->stream_index >= m->stream_count)
		return false;
	s = &m->streams[pkt->stream_index];
	if (s->out == NOT_CARRIED)
		return false;
	place(m, pkt, m->demuxer->streams[pkt->stream_index], s);
	*ret_90k = pkt->dts;
	return true;
}

static int take_packet(void *owner, AVPacket *pkt)
{
	struct remux *m = owner;
	uint64_t pair[RING_PAIR_COUNT_];
	int r;

	assert((unsigned)pkt->stream_index < m->stream_count);
	if (intake_pair_counts(m->in, pair))
		ts_sink_pair(m->sink, pair);
	pkt->stream_index = m->streams[pkt->stream_index].out;
	assert(pkt->stream_index != NOT_CARRIED);
	pkt->pos = -1;
	r = m->coarse ? av_interleaved_write_frame(m->muxer.context, pkt)
		      : av_write_frame(m->muxer.context, pkt);
	if (r >= 0 || r == AVERROR(ENOMEM))
		return r;
	/* a packet that the muxer refuses is damaged in the source; the channel continues */
	log_warn("a packet of the source is damaged, dropping it");
	return 0;
}

/* The length of the ending round; subtitles do not count, their durations are unknown. */
static int64_t round_length(struct remux *m)
{
	int64_t length = TIME_NONE;

	for (unsigned i = 0; i < m->stream_count; i++) {
		struct remux_stream *s = &m->streams[i];

		if (s->out == NOT_CARRIED ||
		    m->demuxer->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE)
			continue;
		length = remux_track_repeat(&s->track, length);
	}
	return length;
}

static enum intake_step opened(void *owner, AVFormatContext *demuxer, int *ret_code)
{
	struct remux *m = owner;
	struct intake *in = m->in;
	const char *unfit = unfit_codec(demuxer);
	char streams[1024];

	streams_text(demuxer, streams, sizeof(streams));
	job_report_source(in->job, unfit ? SOURCE_RAW : SOURCE_REMUX, in->source.live,
			  has_pictures(demuxer), streams);
	if (unfit)
		return intake_end(
			job_end_failed(in->job, 502, "a transport stream cannot carry %s", unfit),
			ret_code);
	if (!intake_await_target(in))
		return intake_end(job_end_shutdown(in->job), ret_code);
	return INTAKE_ON;
}

static int begin(void *owner, AVFormatContext *demuxer, bool again)
{
	struct remux *m = owner;

	m->demuxer = demuxer;
	if (!again)
		return open_muxer(m, demuxer);
	remux_clock_repeat(&m->clock, round_length(m));
	return 0;
}

static void drain(void *owner, bool last)
{
	struct remux *m = owner;

	if (!last)
		return;
	av_interleaved_write_frame(m->muxer.context, NULL);
	av_write_frame(m->muxer.context, NULL);
}

static void closing(void *owner)
{
	struct remux *m = owner;

	m->demuxer = NULL;
}

int remux_run(struct intake *in, struct ts_sink *sink)
{
	static const struct demux_user user = {.opened = opened,
					       .begin = begin,
					       .place = place_packet,
					       .take = take_packet,
					       .drain = drain,
					       .closing = closing};
	struct remux m = {.in = in, .sink = sink};
	int code;

	remux_clock_init(&m.clock);
	ts_muxer_init(&m.muxer, sink);
	code = demux_run(in, &user, &m);
	ts_muxer_close(&m.muxer);
	free(m.streams);
	return code;
}
