#include <string.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/encode/outputs.h"
#include "amps-transcoder/roles/roles.h"
#include "amps-transcoder/source/lavfi.h"
#include "amps-transcoder/source/pace.h"
#include "amps-transcoder/source/source.h"
#include "common/log/log.h"

#define WAIT_MAX_MS 50
#define BEGIN_90K   900000 /* encoders go below the first PTS: leave room */

struct both {
	struct job *job;
	struct outputs outputs;
	uint64_t stall_us;
	uint64_t packets; /* of this round */
};

/* Takes all orders that wait; true when the job is over. */
static bool take_orders(struct both *b)
{
	for (;;) {
		struct job_event event = JOB_EVENT_INIT;

		job_poll(b->job, &event);
		if (event.kind == JOB_EVENT_NONE)
			break;
		if (event.kind == JOB_EVENT_SHUTDOWN)
			return true;
		if (event.kind != JOB_EVENT_SOURCE_RING)
			outputs_event(&b->outputs, &event);
		job_event_done(&event);
	}
	return job_ending(b->job);
}

/* Waits until somebody wants an output; true when the job is over. */
static bool wait_for_outputs(struct both *b)
{
	while (!take_orders(b)) {
		if (b->outputs.count > 0)
			return false;
		job_wait(b->job, WAIT_MAX_MS);
	}
	return true;
}

/* The source has ended by itself. */
static int end_complete(struct both *b)
{
	outputs_end(&b->outputs);
	return job_end_ended(b->job);
}

/* Where the timeline goes on from the last job's, by the clock if that is further. */
static int64_t lavfi_base(const struct both *b)
{
	int64_t base = MAX(outputs_continue_90k(&b->outputs), b->job->continue_90k);

	return base == TIME_NONE ? BEGIN_90K : base;
}

/* Hands frames out when they are due, until orders end it.  0 (the source ended), 1 (orders), or
 * libav's error. */
static int lavfi_loop(struct both *b, struct lavfi *l)
{
	bool idle = true;

	while (!take_orders(b)) {
		unsigned stream = 0;
		uint64_t due, now = clock_mono_us();
		AVFrame *frame;
		int error;

		if (b->outputs.count == 0) {
			job_wait(b->job, WAIT_MAX_MS);
			idle = true;
			continue;
		}
		if (idle)
			lavfi_start(l, now);
		idle = false;
		frame = lavfi_next(l, now, &stream, &due, &error);
		if (!frame)
			return error;
		if (due > now) {
			job_wait(b->job, (unsigned)MIN((due - now + 999) / 1000, WAIT_MAX_MS));
			continue;
		}
		outputs_frame(&b->outputs, stream, frame, lavfi_rate(l, stream));
		lavfi_pop(l, stream);
	}
	return 1;
}

static int run_lavfi(struct both *b, const char *text)
{
	struct lavfi l;
	int r;

	if (wait_for_outputs(b))
		return job_end_shutdown(b->job);
	av_log_forget();
	r = lavfi_open(&l, text, lavfi_base(b));
	if (r < 0)
		return job_end_failed_av(b->job, 502, "the lavfi source", r);
	job_say_source(b->job, SOURCE_RAW, true, "");
	outputs_set_source(&b->outputs, l.streams);
	r = lavfi_loop(b, &l);
	b->outputs.source = NULL;
	lavfi_close(&l);
	if (r < 0)
		return job_end_failed_av(b->job, 502, "the lavfi source", r);
	return r == 0 ? end_complete(b) : job_end_shutdown(b->job);
}

/* The DTS in ticks, for pacing; TIME_NONE. */
static int64_t packet_time(const AVFormatContext *demuxer, const AVPacket *packet)
{
	if (packet->dts == AV_NOPTS_VALUE)
		return TIME_NONE;
	return av_rescale_q(packet->dts, demuxer->streams[packet->stream_index]->time_base,
			    (AVRational){1, 90000});
}

/* Waits until the packet may go on; true when the job is over. */
static bool hold(struct both *b, struct pace *pace, int64_t time_90k)
{
	for (;;) {
		uint64_t wait = pace_delay_us(pace, time_90k, clock_mono_us());

		if (take_orders(b))
			return true;
		if (wait == 0)
			return false;
		job_wait(b->job, (unsigned)MIN((wait + 999) / 1000, WAIT_MAX_MS));
	}
}

/* Reads the source to its end.  0 (ended), 1 (orders) or a libav error. */
static int media_loop(struct both *b, struct source *s, AVFormatContext *demuxer)
{
	AVPacket *packet = av_packet_alloc();
	int64_t begin_90k = TIME_NONE;
	struct pace pace;
	int r = packet ? 0 : AVERROR(ENOMEM);

	pace_init(&pace, s->live ? PACE_LIVE : s->options.re ? PACE_REAL : PACE_FILE);
	while (r == 0) {
		int64_t time_90k;

		b->job->deadline_us = clock_mono_us() + b->stall_us;
		r = av_read_frame(demuxer, packet);
		/* some demuxers take a broken connection for the end */
		if (r == AVERROR_EOF && s->via != SOURCE_VIA_FILE && job_deadline_passed(b->job))
			r = AVERROR(ETIMEDOUT);
		if (r < 0)
			break;
		source_note_media(s);
		time_90k = packet_time(demuxer, packet);
		if (begin_90k == TIME_NONE)
			begin_90k = time_90k;
		if (source_note_time(s, begin_90k, time_90k))
			r = AVERROR_EOF;
		else if (hold(b, &pace, time_90k))
			r = 1;
		else
			outputs_packet(&b->outputs, packet);
		b->packets++;
		av_packet_unref(packet);
	}
	av_packet_free(&packet);
	return r == AVERROR_EOF ? 0 : r;
}

/* Rounds of a source that is looped. */
static int media_rounds(struct both *b, struct source *s, AVFormatContext *demuxer)
{
	int64_t left = s->options.loop;
	int r = s->options.seek_us ? source_demuxer_to_begin(s, demuxer) : 0;

	while (r >= 0) {
		b->packets = 0;
		outputs_set_source(&b->outputs, demuxer);
		r = media_loop(b, s, demuxer);
		if (r == 0)
			outputs_drain(&b->outputs);
		/* a round without anything would be followed by the next one at once, for ever */
		if (r != 0 || s->live || left == 0 || b->packets == 0)
			return r;
		left -= left > 0;
		b->job->deadline_us = clock_mono_us() + b->stall_us;
		r = source_demuxer_to_begin(s, demuxer);
	}
	return r;
}

/* What ended the source, an error of libav's or -ETIMEDOUT. */
static int media_failed(struct both *b, const struct source *s, bool begun, uint64_t timeout_us,
			int error)
{
	if (job_ending(b->job))
		return job_end_shutdown(b->job);
	if (source_problem(s))
		return job_end_failed(b->job, 502, "%s", source_problem(s));
	if (error == AVERROR(ETIMEDOUT) || job_deadline_passed(b->job))
		return job_end_silent(b->job, s->shown, begun, timeout_us);
	return source_failed(s, error);
}

static int run_media(struct both *b, struct source *s)
{
	uint64_t start_us = b->job->start_timeout_us;
	AVFormatContext *demuxer = NULL;
	const char *problem = NULL;
	int64_t stall_ms;
	int r = source_init(s, b->job, &problem);

	if (r < 0)
		return job_end_failed(b->job, 502, "%s", problem);
	if (wait_for_outputs(b))
		return job_end_shutdown(b->job);
	av_log_forget();
	b->job->deadline_us = clock_mono_us() + start_us;
	r = source_open(s);
	if (r == 0)
		r = source_demuxer_open(s, &demuxer);
	if (r < 0)
		return media_failed(b, s, false, start_us, r);
	job_say_source(b->job, SOURCE_RAW, s->live, "");
	stall_ms = job_spec_int(b->job, "stall_timeout_ms", JOB_STALL_TIMEOUT_MS);
	b->stall_us = source_stall_us(demuxer, s->live, (uint64_t)stall_ms * 1000);
	r = media_rounds(b, s, demuxer);
	b->outputs.source = NULL;
	avformat_close_input(&demuxer);
	if (r < 0)
		return media_failed(b, s, true, b->stall_us, r);
	if (r > 0)
		return job_end_shutdown(b->job);
	b->job->deadline_us = clock_mono_us() + b->stall_us;
	if (source_has_ended(s))
		return end_complete(b);
	return job_end_failed(b->job, 502, "the source %s closed the connection", s->shown);
}

int both_run(struct job *job)
{
	struct both *b = calloc(1, sizeof(*b));
	struct source *s = calloc(1, sizeof(*s));
	struct source_options options = {0};
	bool lavfi;
	int code;

	if (!b || !s || source_options_read(&options, job->spec) < 0)
		code = job_end_failed(job, 502, "the input options cannot be read");
	else {
		lavfi = strcmp(options.format, "lavfi") == 0;
		b->job = job;
		outputs_init(&b->outputs, job);
		code = lavfi ? run_lavfi(b, job_spec_text(job, "source", "")) : run_media(b, s);
		outputs_done(&b->outputs);
		if (!lavfi)
			source_close(s);
	}
	source_options_done(&options);
	free(s);
	free(b);
	return code;
}
