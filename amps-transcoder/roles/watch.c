/* watch.c - the job of a channel with `watch: content`: reads the source's ring and reports when
 * the channel shows nothing.  It fills no output. */
#include <stdlib.h>
#include <string.h>

#include "amps-transcoder/content/content.h"
#include "amps-transcoder/roles/roles.h"
#include "amps-transcoder/source/ring_reader.h"
#include "common/clock.h"
#include "common/log/log.h"

#define WAIT_MS 200
#define BEAT_US 2000000 /* the master hears of it so often, also when nothing has changed */

struct watch {
	struct job *job;
	struct ring_reader reader;
	struct content content;
	enum content_fault reported;
	uint64_t reported_us;
	bool reopen; /* another ring */
};

static void take_ring(struct watch *w, struct job_event *event)
{
	bool again = false;
	int r = ring_follow_take(&w->reader.follow, event, &again);

	if (r < 0)
		log_warn("a source ring cannot be mapped, waiting for another error=%s",
			 strerror(-r));
	w->reopen |= again;
}

/* What it has found, if that has changed or the last report is old. */
static void report(struct watch *w)
{
	enum content_fault fault = content_judge_verdict(&w->content.judge);
	uint64_t now_us = clock_mono_us();

	if (fault == w->reported && now_us - w->reported_us < BEAT_US)
		return;
	job_report_content(w->job, fault);
	w->reported = fault;
	w->reported_us = now_us;
}

/* Takes all waiting orders.  True: stop reading. */
static bool take_orders(struct watch *w)
{
	report(w);
	for (;;) {
		struct job_event event = JOB_EVENT_INIT;

		job_poll(w->job, &event);
		if (event.kind == JOB_EVENT_NONE || event.kind == JOB_EVENT_SHUTDOWN)
			break;
		if (event.kind == JOB_EVENT_SOURCE_RING)
			take_ring(w, &event);
		job_event_done(&event);
	}
	return w->reopen || job_ending(w->job);
}

static bool on_reader_wait(void *owner)
{
	struct watch *w = owner;

	job_wait(w->job, WAIT_MS);
	return take_orders(w);
}

/* Reads until the ring is replaced or cannot be followed, or the job is to end. */
static void read_ring(struct watch *w, AVPacket *packet)
{
	while (!take_orders(w)) {
		if (ring_reader_read(&w->reader, packet) < 0 || w->reader.lapped)
			return;
		content_packet(&w->content, w->reader.demuxer, packet);
		av_packet_unref(packet);
	}
}

/* False: there is nothing to read yet. */
static bool follow(struct watch *w, AVPacket *packet)
{
	bool other;

	if (!ring_follow_ready(&w->reader.follow))
		return false;
	other = w->reopen;
	w->reopen = false;
	if (ring_reader_open(&w->reader) < 0) {
		w->reopen = w->reopen || other;
		return false;
	}
	/* another ring may be another source's; a place further on in the same one is not */
	if (other)
		content_restart(&w->content);
	read_ring(w, packet);
	av_packet_unref(packet);
	ring_reader_close(&w->reader);
	return true;
}

static int run(struct watch *w)
{
	AVPacket *packet = av_packet_alloc();

	while (packet && !job_ending(w->job)) {
		take_orders(w);
		if (!job_ending(w->job) && !follow(w, packet))
			job_wait(w->job, WAIT_MS);
	}
	if (!packet)
		return job_end_failed(w->job, 502, "no memory");
	av_packet_free(&packet);
	return job_end_shutdown(w->job);
}

int watch_run(struct job *job)
{
	struct watch *w = calloc(1, sizeof(*w));
	int code;

	if (!w)
		return job_end_failed(job, 502, "no memory");
	w->job = job;
	ring_reader_init(&w->reader, on_reader_wait, w);
	code = content_init(&w->content) < 0 ? job_end_failed(job, 502, "no memory") : run(w);
	content_done(&w->content);
	ring_reader_done(&w->reader);
	free(w);
	return code;
}
