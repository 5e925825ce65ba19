/* remux.c - see remux.h */
#include "amps-transcoder/roles/remux.h"

#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>

#include "amps-transcoder/av/compat.h"
#include "amps-transcoder/av/log.h"
#include "amps-transcoder/av/stream_text.h"
#include "amps-transcoder/mux/remux_clock.h"
#include "amps-transcoder/mux/ts_output.h"
#include "amps-transcoder/ts/pcr.h"
#include "common/clock.h"
#include "common/log/log.h"

#define MUX_DELAY_US	  500000  /* between a packet's PCR and its DTS */
#define MUX_INTERLEAVE_US 1000000 /* a stream that pauses holds the others no longer than that */
#define MUX_BUFFER	  (7 * 188 * 16)
#define REORDER_90K	  (TS_HZ / 2) /* no picture is shown later behind its decoding */
#define REORDER_FIRST_90K (TS_HZ / 100)
#define NOT_CARRIED	  (-1)

struct remux_stream {
	int out; /* index in the muxer, NOT_CARRIED */
	struct remux_track track;
};

struct remux {
	struct intake *in;
	AVFormatContext *demuxer, *muxer;
	struct remux_clock clock;
	struct ts_pcr pcr;
	struct remux_stream *streams;
	unsigned stream_count;
	int64_t begin_90k; /* of this round on our timeline, for -t; TIME_NONE */
	int64_t last_90k;  /* DTS written last */
	bool coarse;	   /* the source may have its streams one behind the other in long pieces */
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

static int on_muxed(void *opaque, av_written_byte *bytes, int n)
{
	struct remux *m = opaque;

	ts_pcr_put(&m->pcr, bytes, (size_t)n);
	return n;
}

static void write_sink(void *owner, const void *bytes, size_t n)
{
	ts_sink_write(owner, bytes, n);
}

/* Of several programmes (variants of a playlist) the one asked for, else the one with the best
 * picture is carried. */
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

/* Adds a stream to the muxer if it can be carried.  0 or a libav error. */
static int carry_stream(struct remux *m, AVStream *from)
{
	AVStream *to;
	int r;

	if (!ts_output_fits(from->codecpar->codec_id)) {
		char text[STREAM_TEXT_MAX];

		stream_text(from, text, sizeof(text));
		job_say_notice(m->in->job, "MPEG-TS cannot carry %s of the source", text);
		from->discard = AVDISCARD_ALL;
		return 0;
	}
	to = avformat_new_stream(m->muxer, NULL);
	if (!to)
		return AVERROR(ENOMEM);
	r = avcodec_parameters_copy(to->codecpar, from->codecpar);
	to->codecpar->codec_tag = 0;
	to->time_base = (AVRational){1, TS_HZ};
	av_dict_copy(&to->metadata, from->metadata, 0);
	m->streams[from->index].out = to->index;
	return r;
}

static int carry_streams(struct remux *m)
{
	const AVProgram *programme = programme_of(m->demuxer, m->in->source.options.programme);

	m->stream_count = m->demuxer->nb_streams;
	m->streams = calloc(m->stream_count, sizeof(*m->streams));
	if (!m->streams)
		return AVERROR(ENOMEM);
	for (unsigned i = 0; i < m->stream_count; i++) {
		AVStream *st = m->demuxer->streams[i];
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
	return m->muxer->nb_streams ? 0 : AVERROR_STREAM_NOT_FOUND;
}

/* Fragmented MP4 holds a second of pictures, then a second of sound, and RTP has a connection for
 * each: written as it comes, the sound would come when its time has passed.  A transport stream was
 * put in order by whoever made it. */
static bool is_coarse(const AVFormatContext *ic)
{
	return strcmp(ic->iformat->name, "mpegts") != 0;
}

static int open_muxer(struct remux *m)
{
	uint8_t *buffer;
	int r = avformat_alloc_output_context2(&m->muxer, NULL, "mpegts", NULL);

	if (r < 0)
		return r;
	buffer = av_malloc(MUX_BUFFER);
	m->muxer->pb =
		buffer ? avio_alloc_context(buffer, MUX_BUFFER, 1, m, NULL, on_muxed, NULL) : NULL;
	if (!m->muxer->pb)
		return AVERROR(ENOMEM);
	m->muxer->max_delay = MUX_DELAY_US;
	m->muxer->max_interleave_delta = MUX_INTERLEAVE_US;
	m->muxer->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
	m->muxer->flags |= AVFMT_FLAG_FLUSH_PACKETS;
	m->coarse = is_coarse(m->demuxer);
	av_dict_copy(&m->muxer->metadata, m->demuxer->metadata, 0);
	r = carry_streams(m);
	if (r < 0)
		return r;
	ts_pcr_init(&m->pcr, write_sink, m->in->sink);
	return avformat_write_header(m->muxer, NULL);
}

/* The codec for which this source cannot be carried, or NULL: the best picture and the best sound
 * must be. */
static const char *unfit_codec(AVFormatContext *ic)
{
	static const enum AVMediaType types[] = {AVMEDIA_TYPE_VIDEO, AVMEDIA_TYPE_AUDIO};

	for (size_t i = 0; i < array_size(types); i++) {
		int best = av_find_best_stream(ic, types[i], -1, -1, NULL, 0);

		if (best >= 0 && is_wanted(ic->streams[best]) &&
		    !ts_output_fits(ic->streams[best]->codecpar->codec_id))
			return avcodec_get_name(ic->streams[best]->codecpar->codec_id);
	}
	return NULL;
}

static int64_t to_90k(int64_t value, AVRational base)
{
	return av_rescale_q(value, base, (AVRational){1, TS_HZ});
}

/* Some containers know when a picture is shown, not when it is decoded, and libavformat works that
 * out only from the third picture on, as the time the first is shown: those before it must not be
 * later.  The first of a timeline, which decides where that goes, is just earlier; the others come
 * right behind the last one. */
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

/* Gives the packet its place on our timeline. */
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
	m->last_90k = pkt->dts;
}

/* Writes one packet.  0, AVERROR_EOF (-t is reached), or a libav error. */
static int carry_packet(struct remux *m, AVPacket *pkt)
{
	struct remux_stream *s;

	if ((unsigned)pkt->stream_index >= m->stream_count)
		return 0;
	s = &m->streams[pkt->stream_index];
	if (s->out == NOT_CARRIED)
		return 0;
	intake_got_data(m->in, (size_t)pkt->size);
	place(m, pkt, m->demuxer->streams[pkt->stream_index], s);
	if (m->begin_90k == TIME_NONE)
		m->begin_90k = pkt->dts;
	if (source_note_time(&m->in->source, m->begin_90k, pkt->dts))
		return AVERROR_EOF;
	pkt->stream_index = s->out;
	pkt->pos = -1;
	return m->coarse ? av_interleaved_write_frame(m->muxer, pkt)
			 : av_write_frame(m->muxer, pkt);
}

/* A packet that the muxer refuses is the source's damage, not the channel's end. */
static int forgive(int r)
{
	if (r >= 0 || r == AVERROR_EOF || r == AVERROR(ENOMEM))
		return r;
	log_warn("a packet of the source is damaged, leaving it out");
	return 0;
}

/* The length of the round that ends; subtitles do not count, nobody knows how long they last. */
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

/* What was opened again is the same as before: what stayed out stays out. */
static int check_streams(const struct remux *m, AVFormatContext *again)
{
	if (again->nb_streams != m->stream_count)
		return AVERROR_STREAM_NOT_FOUND;
	for (unsigned i = 0; i < m->stream_count; i++) {
		if (again->streams[i]->codecpar->codec_id !=
		    m->demuxer->streams[i]->codecpar->codec_id)
			return AVERROR_STREAM_NOT_FOUND;
		again->streams[i]->discard = m->demuxer->streams[i]->discard;
	}
	return 0;
}

/* A server without ranges hands out its film from the beginning alone. */
static int open_again(struct remux *m)
{
	AVFormatContext *again = NULL;
	int r = source_demuxer_open(&m->in->source, &again);

	if (r >= 0)
		r = check_streams(m, again);
	avformat_close_input(r >= 0 ? &m->demuxer : &again);
	if (r >= 0)
		m->demuxer = again;
	return r;
}

static int to_begin(struct remux *m)
{
	const AVIOContext *pb = m->demuxer->pb;
	int r;

	if (pb && !(pb->seekable & AVIO_SEEKABLE_NORMAL)) {
		r = open_again(m);
		return r < 0 || !m->in->source.options.seek_us
			       ? r
			       : source_demuxer_to_begin(&m->in->source, m->demuxer);
	}
	r = source_demuxer_to_begin(&m->in->source, m->demuxer);
	if (r < 0 && m->in->source.options.seek_us == 0)
		r = (int)av_seek_frame(m->demuxer, -1, 0, AVSEEK_FLAG_BYTE);
	return r;
}

static enum intake_step next_round(struct remux *m, int *ret_code)
{
	int64_t length = round_length(m);
	int r = to_begin(m);

	if (r < 0)
		return intake_end(
			job_end_failed_av(m->in->job, 502, "the source cannot be repeated", r),
			ret_code);
	remux_clock_repeat(&m->clock, length);
	m->begin_90k = TIME_NONE;
	return INTAKE_ON;
}

/* What a read that gave no packet means. */
static enum intake_step on_read_end(struct remux *m, int r, int *ret_code)
{
	struct intake *in = m->in;

	if (job_ending(in->job))
		return intake_end(job_end_shutdown(in->job), ret_code);
	if (source_problem(&in->source))
		return intake_end(job_end_failed(in->job, 502, "%s", source_problem(&in->source)),
				  ret_code);
	if (job_deadline_passed(in->job) && r != AVERROR_EOF)
		return intake_end(intake_failed(in, -ETIMEDOUT), ret_code);
	if (r == AVERROR(EAGAIN)) {
		job_wait(in->job, 10);
		return INTAKE_ON;
	}
	if (r != AVERROR_EOF)
		return intake_end(job_end_failed_av(in->job, 502, in->source.shown, r), ret_code);
	if (intake_next_round(in))
		return next_round(m, ret_code);
	av_interleaved_write_frame(m->muxer, NULL);
	av_write_frame(m->muxer, NULL);
	return intake_end(intake_finished(in), ret_code);
}

static enum intake_step read_packet(struct remux *m, AVPacket *pkt, int *ret_code)
{
	int r;

	intake_set_deadline(m->in);
	r = av_read_frame(m->demuxer, pkt);
	if (r >= 0) {
		source_note_media(&m->in->source);
		r = forgive(carry_packet(m, pkt));
		av_packet_unref(pkt);
	}
	return r < 0 ? on_read_end(m, r, ret_code) : INTAKE_ON;
}

static int pump(struct remux *m)
{
	AVPacket *pkt = av_packet_alloc();
	enum intake_step step = INTAKE_ON;
	int code = 0;

	if (!pkt)
		return job_end_failed(m->in->job, 502, "no memory");
	while (step == INTAKE_ON) {
		if (!intake_take_orders(m->in))
			step = intake_end(job_end_shutdown(m->in->job), &code);
		else if (intake_may_read(m->in, m->last_90k))
			step = read_packet(m, pkt, &code);
	}
	av_packet_free(&pkt);
	return code;
}

static int run_opened(struct remux *m)
{
	struct intake *in = m->in;
	const char *unfit = unfit_codec(m->demuxer);
	char streams[1024];
	int r;

	streams_text(m->demuxer, streams, sizeof(streams));
	job_say_source(in->job, unfit ? SOURCE_RAW : SOURCE_REMUX, in->source.live, streams);
	if (unfit)
		return job_end_failed(in->job, 502, "a transport stream cannot carry %s", unfit);
	while (!ts_sink_attached(in->sink)) {
		if (!intake_take_orders(in))
			return job_end_shutdown(in->job);
		if (!ts_sink_attached(in->sink))
			job_wait(in->job, 100);
	}
	r = in->source.options.seek_us ? source_demuxer_to_begin(&m->in->source, m->demuxer) : 0;
	if (r >= 0)
		r = open_muxer(m);
	if (r < 0)
		return job_end_failed_av(in->job, 502, in->source.shown, r);
	in->stall_timeout_us = source_stall_us(m->demuxer, in->source.live, in->stall_timeout_us);
	pace_init(&in->pace, in->source.live	     ? PACE_LIVE
			     : in->source.options.re ? PACE_REAL
						     : PACE_FILE);
	return pump(m);
}

static void remux_done(struct remux *m)
{
	if (m->muxer && m->muxer->pb) {
		av_freep(&m->muxer->pb->buffer);
		avio_context_free(&m->muxer->pb);
	}
	avformat_free_context(m->muxer);
	avformat_close_input(&m->demuxer);
	free(m->streams);
}

int remux_run(struct intake *in)
{
	struct remux m = {.in = in, .begin_90k = TIME_NONE, .last_90k = TIME_NONE};
	int code, r;

	remux_clock_init(&m.clock);
	r = source_demuxer_open(&in->source, &m.demuxer);
	if (r < 0 && source_problem(&in->source))
		code = job_end_failed(in->job, 502, "%s", source_problem(&in->source));
	else if (r < 0 && (job_ending(in->job) || job_deadline_passed(in->job)))
		code = intake_failed(in, job_ending(in->job) ? -ECANCELED : -ETIMEDOUT);
	else if (r < 0)
		code = source_failed(&in->source, r);
	else
		code = run_opened(&m);
	remux_done(&m);
	return code;
}
