/* watch.c - the job of a channel with `watch: content`: reads the source's ring and reports when
 * the channel shows nothing.  It fills no output. */
#include <stdlib.h>

#include "amps-transcoder/content/content.h"
#include "amps-transcoder/roles/roles.h"
#include "amps-transcoder/source/ring_reader.h"
#include "common/clock.h"

#define WAIT_MS 200
#define BEAT_US 2000000 /* the master hears of it so often, also when nothing has changed */

struct watch {
	struct job *job;
	struct ring_reader reader;
	struct content content;
	enum content_fault reported;
	uint64_t reported_us;
};

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
	ring_reader_take_orders(&w->reader);
	return w->reader.replaced || job_ending(w->job);
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
	if (!ring_follow_ready(&w->reader.follow) || ring_reader_open(&w->reader) < 0)
		return false;
	/* a place further on in the same ring is of the same source */
	if (w->reader.other)
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
	static const struct ring_reader_user user = {.wait = on_reader_wait};
	struct watch *w = calloc(1, sizeof(*w));
	int code;

	if (!w)
		return job_end_failed(job, 502, "no memory");
	w->job = job;
	ring_reader_init(&w->reader, job, &user, w);
	code = content_init(&w->content) < 0 ? job_end_failed(job, 502, "no memory") : run(w);
	content_done(&w->content);
	ring_reader_done(&w->reader);
	free(w);
	return code;
}
