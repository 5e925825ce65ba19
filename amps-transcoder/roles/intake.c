/* intake.c - see intake.h */
#include "amps-transcoder/roles/intake.h"

#include <string.h>

#include "common/clock.h"
#include "common/log/log.h"

#define WAIT_MS 250

static void take_output(struct intake *in, struct job_event *e)
{
	bool first = !ts_sink_attached(in->sink);
	int r = ts_sink_attach(in->sink, e);

	if (r < 0)
		log_error("a ring cannot be used (%s), %s output=%u", strerror(-r),
			  first ? "waiting for another" : "staying with the old one", e->output);
}

bool intake_take_orders(struct intake *in)
{
	for (;;) {
		struct job_event e;
		enum job_event_kind kind;

		job_poll(in->job, &e);
		kind = e.kind;
		if (kind == JOB_EVENT_OUTPUT)
			take_output(in, &e);
		job_event_done(&e);
		if (kind == JOB_EVENT_SHUTDOWN)
			return false;
		if (kind == JOB_EVENT_NONE)
			return true;
	}
}

bool intake_may_read(struct intake *in, int64_t clock_90k)
{
	uint64_t now_us = clock_mono_us();
	uint64_t delay_us = ts_sink_attached(in->sink) ? pace_delay_us(&in->pace, clock_90k, now_us)
						       : WAIT_MS * 1000;

	if (delay_us < 1000)
		return true;
	if (in->data_us)
		in->data_us = now_us; /* nobody asked the source for anything */
	job_wait(in->job, (unsigned)MIN(delay_us / 1000, WAIT_MS));
	return false;
}

void intake_set_deadline(struct intake *in)
{
	in->job->deadline_us = in->data_us ? in->data_us + in->stall_timeout_us
					   : in->begin_us + in->start_timeout_us;
}

void intake_got_data(struct intake *in, size_t bytes)
{
	in->data_us = clock_mono_us();
	in->round_bytes += bytes;
}

int intake_failed(struct intake *in, int error)
{
	const char *shown = in->source.shown;

	in->job->deadline_us = 0;
	if (error == -ECANCELED || job_ending(in->job))
		return job_end_shutdown(in->job);
	if (error == -ETIMEDOUT)
		return job_end_silent(in->job, shown, in->data_us != 0,
				      in->data_us ? in->stall_timeout_us : in->start_timeout_us);
	if (error == -ENODATA)
		return job_end_failed(in->job, 502, "the source %s is empty", shown);
	return source_failed(&in->source, error);
}

int intake_finished(struct intake *in)
{
	const char *shown = in->source.shown;

	if (job_ending(in->job))
		return job_end_shutdown(in->job);
	if (!ts_sink_running(in->sink))
		return job_end_failed(in->job, 502, "the source %s has nothing that can be played",
				      shown);
	in->job->deadline_us = clock_mono_us() + in->stall_timeout_us;
	if (!source_has_ended(&in->source))
		return job_end_failed(in->job, 502, "the source %s closed the connection", shown);
	ts_sink_ended(in->sink);
	return job_end_ended(in->job);
}

bool intake_next_round(struct intake *in)
{
	if (in->source.live || in->source.options.loop == 0 || in->round_bytes == 0)
		return false;
	if (in->source.options.loop > 0)
		in->source.options.loop--;
	in->round_bytes = 0;
	return true;
}
