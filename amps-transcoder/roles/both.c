/* both.c - the role of a job that owns a source which no transport stream carries, and makes all
 * its outputs itself. */
#include <string.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/encode/outputs.h"
#include "amps-transcoder/roles/demux.h"
#include "amps-transcoder/roles/roles.h"
#include "amps-transcoder/source/lavfi.h"
#include "common/log/log.h"

#define WAIT_MAX_MS 50
#define BEGIN_90K   900000 /* encoders produce a DTS below the first PTS: leave room */

struct both {
	struct intake in;
	struct outputs outputs;
};

static void take_order(void *owner, struct job_event *e)
{
	struct both *b = owner;

	outputs_event(&b->outputs, e);
}

/* Once reading has begun it continues without outputs, too. */
static bool ready(const void *owner)
{
	const struct both *b = owner;

	return b->outputs.count > 0 || b->outputs.begun;
}

static bool running(const void *owner)
{
	(void)owner;
	return true;
}

static void ended(void *owner)
{
	struct both *b = owner;

	outputs_end(&b->outputs);
}

static const struct intake_target outputs_target = {
	.order = take_order, .ready = ready, .running = running, .ended = ended};

/* Where the timeline continues behind the last job's. */
static int64_t lavfi_base(const struct both *b)
{
	int64_t base = MAX(outputs_continue_90k(&b->outputs), b->in.job->continue_90k);

	return base == TIME_NONE ? BEGIN_90K : base;
}

/* Hands frames out when they are due, until orders end it.  0 (the source ended), 1 (orders), or
 * libav's error. */
static int lavfi_loop(struct both *b, struct lavfi *l)
{
	bool idle = true;

	while (intake_take_orders(&b->in)) {
		unsigned stream = 0;
		uint64_t due, now = clock_mono_us();
		AVFrame *frame;
		int error;

		if (b->outputs.count == 0) {
			job_wait(b->in.job, WAIT_MAX_MS);
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
			job_wait(b->in.job, (unsigned)MIN((due - now + 999) / 1000, WAIT_MAX_MS));
			continue;
		}
		outputs_frame(&b->outputs, stream, frame, lavfi_rate(l, stream));
		lavfi_pop(l, stream);
	}
	return 1;
}

static int run_lavfi(struct both *b)
{
	struct job *job = b->in.job;
	struct lavfi l;
	int r;

	av_log_forget();
	r = lavfi_open(&l, b->in.source.url, lavfi_base(b));
	if (r < 0)
		return job_end_failed_av(job, 502, "the lavfi source", r);
	job_report_source(job, SOURCE_RAW, true, true, "");
	outputs_set_source(&b->outputs, l.streams);
	r = lavfi_loop(b, &l);
	b->outputs.source = NULL;
	lavfi_close(&l);
	if (r < 0)
		return job_end_failed_av(job, 502, "the lavfi source", r);
	if (r > 0)
		return job_end_shutdown(job);
	outputs_end(&b->outputs);
	return job_end_ended(job);
}

static enum intake_step opened(void *owner, AVFormatContext *demuxer, int *ret_code)
{
	struct both *b = owner;

	(void)demuxer;
	(void)ret_code;
	job_report_source(b->in.job, SOURCE_RAW, b->in.source.live, true, "");
	/* the streams are known: from here on the stall timeout applies */
	intake_got_data(&b->in, 0);
	return INTAKE_ON;
}

static int begin(void *owner, AVFormatContext *demuxer, bool again)
{
	struct both *b = owner;

	(void)again;
	outputs_set_source(&b->outputs, demuxer);
	return 0;
}

/* Only the DTS paces the source. */
static bool place(void *owner, AVPacket *packet, int64_t *ret_90k)
{
	const struct both *b = owner;
	const AVStream *stream = b->outputs.source->streams[packet->stream_index];

	*ret_90k = packet->dts == AV_NOPTS_VALUE
			   ? TIME_NONE
			   : av_rescale_q(packet->dts, stream->time_base, (AVRational){1, 90000});
	return true;
}

static int take(void *owner, AVPacket *packet)
{
	struct both *b = owner;

	outputs_packet(&b->outputs, packet);
	return 0;
}

static void drain(void *owner, bool last)
{
	struct both *b = owner;

	(void)last;
	outputs_drain(&b->outputs);
}

static void closing(void *owner)
{
	struct both *b = owner;

	b->outputs.source = NULL;
}

static int run_media(struct both *b)
{
	static const struct demux_user user = {.opened = opened,
					       .begin = begin,
					       .place = place,
					       .take = take,
					       .drain = drain,
					       .closing = closing};
	int r;

	av_log_forget();
	b->in.begin_us = clock_mono_us();
	intake_set_deadline(&b->in);
	r = source_open(&b->in.source);
	return r < 0 ? intake_failed(&b->in, r) : demux_run(&b->in, &user, b);
}

int both_run(struct job *job)
{
	struct both *b = calloc(1, sizeof(*b));
	int code;

	if (!b)
		return job_end_failed(job, 502, "no memory");
	outputs_init(&b->outputs, job);
	if (intake_init(&b->in, job, &outputs_target, b, &code) == INTAKE_ON) {
		if (!intake_await_target(&b->in))
			code = job_end_shutdown(job);
		else if (b->in.source.ops->gives == SOURCE_FRAMES)
			code = run_lavfi(b);
		else
			code = run_media(b);
	}
	outputs_done(&b->outputs);
	source_close(&b->in.source);
	free(b);
	return code;
}
