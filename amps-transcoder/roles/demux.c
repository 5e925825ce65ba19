#include "amps-transcoder/roles/demux.h"

#include <assert.h>

#include "amps-transcoder/ts/clock_watch.h"
#include "common/clock.h"

#define AGAIN_MS 10 /* before a read is retried that returned EAGAIN */

struct demux {
	struct intake *in;
	const struct demux_user *user;
	void *owner;
	AVFormatContext *demuxer;
	unsigned stream_count;
	int64_t begin_90k; /* of this round, for -t; TIME_NONE */
	int64_t clock_90k; /* of the packet taken last; TIME_NONE */
	struct clock_watch times;
};

/* Checks that the reopened source has the same streams, and discards the same ones. */
static int check_streams(const struct demux *d, AVFormatContext *again)
{
	assert(d->stream_count <= d->demuxer->nb_streams);
	if (again->nb_streams != d->stream_count)
		return AVERROR_STREAM_NOT_FOUND;
	for (unsigned i = 0; i < d->stream_count; i++) {
		if (again->streams[i]->codecpar->codec_id !=
		    d->demuxer->streams[i]->codecpar->codec_id)
			return AVERROR_STREAM_NOT_FOUND;
		again->streams[i]->discard = d->demuxer->streams[i]->discard;
	}
	return 0;
}

/* Reopens the source: a server without range requests sends a file only from its start. */
static int open_again(struct demux *d)
{
	AVFormatContext *again = NULL;
	int r = source_demuxer_open(&d->in->source, &again);

	if (r >= 0)
		r = check_streams(d, again);
	source_demuxer_close(&d->in->source, r >= 0 ? &d->demuxer : &again);
	if (r >= 0)
		d->demuxer = again;
	return r;
}

static int to_begin(struct demux *d)
{
	const AVIOContext *pb = d->demuxer->pb;
	int r;

	if (pb && !(pb->seekable & AVIO_SEEKABLE_NORMAL)) {
		r = open_again(d);
		return r < 0 || !d->in->source.options.seek_us
			       ? r
			       : source_demuxer_to_begin(&d->in->source, d->demuxer);
	}
	return source_demuxer_to_begin(&d->in->source, d->demuxer);
}

static enum intake_step next_round(struct demux *d, int *ret_code)
{
	int r = to_begin(d);

	if (r >= 0)
		r = d->user->begin(d->owner, d->demuxer, true);
	if (r < 0)
		return intake_end(
			job_end_failed_av(d->in->job, 502, "the source cannot be repeated", r),
			ret_code);
	d->begin_90k = TIME_NONE;
	return INTAKE_ON;
}

/* Handles a read that returned no packet. */
static enum intake_step on_read_end(struct demux *d, int r, int *ret_code)
{
	struct intake *in = d->in;
	bool again;

	/* some demuxers report an interrupted connection as the end */
	if (r == AVERROR_EOF && !in->source.ops->local && job_deadline_passed(in->job))
		r = AVERROR(ETIMEDOUT);
	if (r == AVERROR(EAGAIN) && !job_interrupt(in->job)) {
		job_wait(in->job, AGAIN_MS);
		return INTAKE_ON;
	}
	if (r != AVERROR_EOF || job_ending(in->job) || source_problem(&in->source))
		return intake_end(intake_failed(in, r), ret_code);
	again = intake_next_round(in);
	d->user->drain(d->owner, !again);
	return again ? next_round(d, ret_code) : intake_end(intake_finished(in), ret_code);
}

/* 0, AVERROR_EOF (-t is reached) or a libav error. */
static int take_packet(struct demux *d, AVPacket *packet)
{
	/* a source without times gets those of its role */
	bool timed = packet->dts != AV_NOPTS_VALUE || packet->pts != AV_NOPTS_VALUE;
	int64_t time_90k;

	source_note_media(&d->in->source);
	if (!d->user->place(d->owner, packet, &time_90k))
		return 0;
	assert(packet->size >= 0);
	intake_got_data(d->in, (size_t)packet->size);
	d->clock_90k = time_90k;
	if (timed && time_90k != TIME_NONE)
		clock_watch_time(&d->times, time_90k, clock_mono_us());
	if (d->begin_90k == TIME_NONE)
		d->begin_90k = time_90k;
	if (source_note_time(&d->in->source, d->begin_90k, time_90k))
		return AVERROR_EOF;
	return d->user->take(d->owner, packet);
}

static int pump(struct demux *d)
{
	AVPacket *packet = av_packet_alloc();
	enum intake_step step = INTAKE_ON;
	int code = 0;

	if (!packet)
		return job_end_failed(d->in->job, 502, "no memory");
	while (step == INTAKE_ON) {
		uint64_t asked_us;
		int r;

		if (!intake_take_orders(d->in)) {
			step = intake_end(job_end_shutdown(d->in->job), &code);
			break;
		}
		if (!intake_may_read(d->in, d->clock_90k))
			continue;
		intake_set_deadline(d->in);
		asked_us = clock_mono_us();
		r = source_demuxer_read(&d->in->source, d->demuxer, packet);
		intake_waited(d->in, asked_us);
		if (r >= 0) {
			r = take_packet(d, packet);
			av_packet_unref(packet);
		}
		step = r < 0 ? on_read_end(d, r, &code)
			     : intake_clock_stands(d->in, clock_watch_frozen_us(&d->times), &code);
	}
	av_packet_free(&packet);
	return code;
}

static int run_opened(struct demux *d)
{
	struct intake *in = d->in;
	struct source *s = &in->source;
	int code, r;

	if (d->user->opened(d->owner, d->demuxer, &code) == INTAKE_END)
		return code;
	r = s->options.seek_us ? source_demuxer_to_begin(s, d->demuxer) : 0;
	if (r >= 0)
		r = d->user->begin(d->owner, d->demuxer, false);
	if (r < 0)
		return job_end_failed_av(in->job, 502, s->shown, r);
	d->stream_count = d->demuxer->nb_streams;
	in->stall_timeout_us = source_stall_us(s, d->demuxer, in->stall_timeout_us);
	intake_begin_pace(in, s->live ? PACE_LIVE : s->options.re ? PACE_REAL : PACE_FILE);
	return pump(d);
}

int demux_run(struct intake *in, const struct demux_user *user, void *owner)
{
	struct demux d = {.in = in,
			  .user = user,
			  .owner = owner,
			  .begin_90k = TIME_NONE,
			  .clock_90k = TIME_NONE,
			  .times = CLOCK_WATCH_INIT};
	int code, r = source_demuxer_open(&in->source, &d.demuxer);

	if (r < 0)
		return intake_failed(in, r);
	code = run_opened(&d);
	user->closing(owner);
	source_demuxer_close(&in->source, &d.demuxer);
	return code;
}
