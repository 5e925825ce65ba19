#include "amps-transcoder/roles/roles.h"

#include <assert.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/encode/effort.h"
#include "amps-transcoder/encode/outputs.h"
#include "amps-transcoder/source/ring_reader.h"
#include "common/clock.h"
#include "common/log/log.h"

#define WAIT_MS	     10
#define SLOW_OVER_US 5000000 /* without a skip for so long, the job keeps up */

struct derive {
	struct job *job;
	struct outputs outputs;
	struct ring_reader reader;
	bool ended; /* the source came to its end, and all of it is in the outputs' rings */
	uint64_t skipped_us; /* when it skipped last; 0: it keeps up, and the master knows */
	struct effort effort;
};

static void on_order(void *owner, struct job_event *event)
{
	struct derive *d = owner;

	outputs_event(&d->outputs, event);
}

/* True if reading must stop. */
static bool must_stop(const struct derive *d)
{
	return d->reader.replaced || d->outputs.joined || d->outputs.count == 0 ||
	       job_ending(d->job);
}

/* Takes all waiting orders.  True: stop reading. */
static bool take_orders(struct derive *d)
{
	ring_reader_take_orders(&d->reader);
	return must_stop(d);
}

static bool on_reader_wait(void *owner)
{
	struct derive *d = owner;
	uint64_t since_us = clock_mono_us();

	job_wait(d->job, WAIT_MS);
	effort_waited(&d->effort, clock_mono_us() - since_us);
	return take_orders(d);
}

/* Reports only the first skip to the master. */
static void note_skip(struct derive *d)
{
	log_warn("the derive job is too slow, skipping ahead channel=%s", d->job->key);
	if (!d->skipped_us)
		job_report_slow(d->job, true);
	d->skipped_us = clock_mono_us();
}

static void note_progress(struct derive *d)
{
	if (!d->skipped_us || clock_mono_us() - d->skipped_us < SLOW_OVER_US)
		return;
	log_info("the derive job keeps up again channel=%s", d->job->key);
	job_report_slow(d->job, false);
	d->skipped_us = 0;
}

static void note_effort(struct derive *d, const AVPacket *packet)
{
	const AVStream *stream = d->reader.demuxer->streams[packet->stream_index];
	enum AVMediaType type = stream->codecpar->codec_type;
	struct effort_report report;

	if ((type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO) &&
	    packet->dts != AV_NOPTS_VALUE &&
	    effort_take(&d->effort, type == AVMEDIA_TYPE_VIDEO, packet->dts, clock_mono_us(),
			&report))
		job_report_effort(d->job, report.permil, report.dropped);
}

/* Reads until an order ends it.  0, 1 (the source is at its end) or -ENOMEM. */
static int read_source(struct derive *d)
{
	AVPacket *packet = av_packet_alloc();
	int r = packet ? 0 : -ENOMEM;

	while (r == 0 && !take_orders(d)) {
		if (ring_reader_read(&d->reader, packet) < 0 || d->reader.lapped) {
			r = d->reader.ended;
			break;
		}
		/* an order ended the wait, and libav returned what it had buffered: drop it,
		 * because an output that has just joined must start earlier in the ring */
		if (must_stop(d))
			break;
		note_effort(d, packet);
		outputs_packet(&d->outputs, packet);
		note_progress(d);
		av_packet_unref(packet);
	}
	av_packet_free(&packet);
	return r;
}

/* Opens the source ring.  If it is the same ring again, an output has joined: reading restarts at
 * an earlier place, so that its encoders fill at once. */
static int open_source(struct derive *d)
{
	/* this is being handled now; it must not end the wait inside */
	d->outputs.joined = false;
	if (ring_reader_open(&d->reader) < 0) {
		/* unreadable, or an order ended the wait: try again */
		job_wait(d->job, WAIT_MS);
		return -EAGAIN;
	}
	if (d->reader.other)
		outputs_set_source(&d->outputs, d->reader.demuxer);
	else
		outputs_rewind(&d->outputs, d->reader.demuxer);
	return 0;
}

/* Flushes decoders, filters and encoders. */
static void end_outputs(struct derive *d)
{
	assert(!d->ended);
	outputs_drain(&d->outputs);
	outputs_end(&d->outputs);
	d->ended = true;
}

/* Opens the source ring and follows it until it ends, is replaced, or no output is left. */
static int run_source(struct derive *d)
{
	int r;

	assert(d->outputs.count > 0 && !d->ended);
	av_log_forget();
	r = open_source(d);
	if (r == -EAGAIN)
		return 0;
	if (r == 0)
		r = read_source(d);
	if (d->reader.lapped)
		note_skip(d);
	effort_skip(&d->effort, d->reader.lapped);
	if (r == 1)
		end_outputs(d);
	outputs_set_source(&d->outputs, NULL);
	ring_reader_close(&d->reader);
	return MIN(r, 0);
}

static int run(struct derive *d)
{
	for (;;) {
		take_orders(d);
		if (d->ended)
			return job_end_ended(d->job);
		if (job_ending(d->job))
			return job_end_shutdown(d->job);
		if (d->outputs.count > 0 && ring_follow_over(&d->reader.follow))
			end_outputs(d);
		else if (d->outputs.count == 0 || !ring_follow_ready(&d->reader.follow))
			job_wait(d->job, WAIT_MS);
		else if (run_source(d) < 0)
			return job_end_failed(d->job, 502, "no memory");
	}
}

int derive_run(struct job *job)
{
	static const struct ring_reader_user user = {.wait = on_reader_wait, .order = on_order};
	struct derive *d = calloc(1, sizeof(*d));
	int code;

	if (!d)
		return job_end_failed(job, 502, "no memory");
	d->job = job;
	d->effort = EFFORT_INIT;
	outputs_init(&d->outputs, job);
	/* a ring's times go on over restarts of its job, too */
	d->outputs.same_clock = true;
	ring_reader_init(&d->reader, job, &user, d);
	code = run(d);
	ring_reader_done(&d->reader);
	outputs_done(&d->outputs);
	free(d);
	return code;
}
