#include "amps-transcoder/roles/intake.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/log/log.h"

#define WAIT_MS 250

enum intake_step intake_init(struct intake *in, struct job *job, const struct intake_target *target,
			     void *owner, int *ret_code)
{
	const char *problem = "";
	uint64_t cushion_us =
		target->holds_until_us ? (uint64_t)job_spec_int(job, "cushion_ms", 0) * 1000 : 0;

	assert(target && owner);
	*in = (struct intake){
		.job = job,
		.target = target,
		.owner = owner,
		.rate = RATE_WATCH_INIT,
		.begin_us = clock_mono_us(),
		.start_timeout_us = job->start_timeout_us,
		.stall_timeout_us =
			(uint64_t)job_spec_int(job, "stall_timeout_ms", JOB_STALL_TIMEOUT_MS) *
			1000,
		.cushion_us = cushion_us,
	};
	if (source_init(&in->source, job, &problem) < 0)
		return intake_end(job_end_failed(job, 502, "%s", problem), ret_code);
	return INTAKE_ON;
}

bool intake_take_orders(struct intake *in)
{
	for (;;) {
		struct job_event e;
		enum job_event_kind kind;

		job_poll(in->job, &e);
		kind = e.kind;
		if (kind == JOB_EVENT_OUTPUT || kind == JOB_EVENT_OUTPUT_OFF)
			in->target->order(in->owner, &e);
		job_event_done(&e);
		if (kind == JOB_EVENT_SHUTDOWN)
			return false;
		if (kind == JOB_EVENT_NONE)
			return true;
	}
}

void intake_begin_pace(struct intake *in, enum pace_kind kind)
{
	pace_init(&in->pace, kind);
	in->pace.more_us = (int64_t)in->cushion_us;
}

bool intake_await_target(struct intake *in)
{
	while (intake_take_orders(in)) {
		if (in->target->ready(in->owner))
			return true;
		job_wait(in->job, WAIT_MS);
	}
	return false;
}

bool intake_may_read(struct intake *in, int64_t clock_90k)
{
	uint64_t now_us = clock_mono_us();
	uint64_t delay_us = in->target->ready(in->owner)
				    ? pace_delay_us(&in->pace, clock_90k, now_us)
				    : WAIT_MS * 1000;

	if (delay_us < 1000) {
		unsigned permil = rate_watch_clock(&in->rate, clock_90k, now_us);

		if (permil)
			job_report_rate(in->job, permil);
		return true;
	}
	/* nothing was asked of the source */
	in->rate = RATE_WATCH_INIT;
	if (in->data_us)
		in->data_us = now_us;
	job_wait(in->job, (unsigned)MIN(delay_us / 1000, WAIT_MS));
	return false;
}

uint64_t intake_holds_until_us(const struct intake *in)
{
	return in->target->holds_until_us ? in->target->holds_until_us(in->owner) : 0;
}

void intake_set_deadline(struct intake *in)
{
	/* pauses that the cushion fills are what it is there for */
	in->job->deadline_us =
		in->data_us ? MAX(in->data_us + in->stall_timeout_us, intake_holds_until_us(in))
			    : in->begin_us + in->start_timeout_us;
}

void intake_got_data(struct intake *in, size_t bytes)
{
	enum content_fault gone =
		in->source.live && in->target->gone ? in->target->gone(in->owner) : CONTENT_GOOD;

	in->data_us = clock_mono_us();
	in->round_bytes += bytes;
	if (gone == in->gone)
		return;
	in->gone = gone;
	job_report_content(in->job, gone);
}

bool intake_pair_counts(const struct intake *in, uint64_t counts[RING_PAIR_COUNT_])
{
	const struct rtp_pair_stats stats = source_pair_stats(&in->source);

	counts[RING_PAIR_LOST_1] = stats.lost[0];
	counts[RING_PAIR_LOST_2] = stats.lost[1];
	counts[RING_PAIR_FILLED] = stats.filled;
	counts[RING_PAIR_MISSING] = stats.missing;
	return in->source.pair != NULL;
}

void intake_waited(struct intake *in, uint64_t asked_us)
{
	rate_watch_waited(&in->rate, clock_mono_us() - asked_us);
}

enum intake_step intake_clock_stands(struct intake *in, uint64_t stands_us, int *ret_code)
{
	if (!in->data_us || stands_us <= in->stall_timeout_us ||
	    intake_holds_until_us(in) > clock_mono_us())
		return INTAKE_ON;
	return intake_end(job_end_failed(in->job, 504,
					 "the clock of the source %s does not advance",
					 in->source.shown),
			  ret_code);
}

int intake_failed(struct intake *in, int error)
{
	const char *shown = in->source.shown;

	bool silent = error == -ETIMEDOUT || job_deadline_passed(in->job);

	in->job->deadline_us = 0;
	if (error == -ECANCELED || job_ending(in->job))
		return job_end_shutdown(in->job);
	if (source_problem(&in->source))
		return job_end_failed(in->job, 502, "%s", source_problem(&in->source));
	if (silent)
		return job_end_silent(in->job, shown, in->data_us != 0,
				      in->data_us ? in->stall_timeout_us : in->start_timeout_us);
	if (error == -ENODATA)
		return job_end_failed(in->job, 502, "the source %s is empty", shown);
	return source_failed(&in->source, error);
}

static int ends_unplayable(struct intake *in)
{
	return job_end_failed(in->job, 502, "the source %s has nothing that can be played",
			      in->source.shown);
}

int intake_finished(struct intake *in)
{
	const char *shown = in->source.shown;

	if (job_ending(in->job))
		return job_end_shutdown(in->job);
	if (source_problem(&in->source))
		return job_end_failed(in->job, 502, "%s", source_problem(&in->source));
	if (!in->target->running(in->owner) && !intake_holds_until_us(in))
		return ends_unplayable(in);
	in->job->deadline_us = clock_mono_us() + in->stall_timeout_us;
	if (!source_has_ended(&in->source))
		return job_end_failed(in->job, 502, "the source %s closed the connection", shown);
	if (job_spec_bool(in->job, "next_source"))
		return job_end_failed(in->job, 502, "the source %s has come to its end", shown);
	while (intake_holds_until_us(in)) {
		if (!intake_take_orders(in))
			return job_end_shutdown(in->job);
		job_wait(in->job, WAIT_MS);
	}
	if (!in->target->running(in->owner))
		return ends_unplayable(in);
	in->target->ended(in->owner);
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
