#include "amps-transcoder/job/out_rings.h"

#include <assert.h>

#include "common/clock.h"
#include "common/log/log.h"

#define HZ	       90000
#define RATE_FIRST_90K HZ	/* a bit rate is known after so much media time */
#define RATE_NEXT_90K  (5 * HZ) /* and measured again over so much */

/* What a cushion holds may have to come at once, and must not lap the readers (ring_guard()). */
static unsigned ring_seconds(const struct job *job)
{
	unsigned seconds = (unsigned)job_spec_int(job, "ring_seconds", DEFAULT_RING_SECONDS);
	unsigned cushion = (unsigned)(job_spec_int(job, "cushion_ms", 0) + 999) / 1000;

	return cushion ? MAX(seconds, cushion + cushion / 4 + 2) : seconds;
}

void out_rings_init(struct out_rings *r, struct job *job)
{
	*r = (struct out_rings){
		.job = job,
		.seconds = ring_seconds(job),
		.rate_90k = TIME_NONE,
	};
}

static void ring_done(struct job *job, struct out_ring *ring)
{
	if (ring->writer.header)
		job_ring_remove(job, &ring->writer);
	ring_writer_close(&ring->writer);
	*ring = (struct out_ring){0};
}

void out_rings_done(struct out_rings *r)
{
	ring_done(r->job, &r->ring);
	ring_done(r->job, &r->next);
}

int out_rings_attach(struct out_rings *r, const struct job_event *event)
{
	struct out_ring *ring = out_rings_attached(r) ? &r->next : &r->ring;
	int err;

	ring_done(r->job, ring);
	err = ring_writer_open(&ring->writer, event->fd, event->data_bytes);
	if (err < 0)
		return err;
	ring->output = event->output;
	ring->generation = event->generation;
	ring->base = r->pos;
	job_ring_add(r->job, &ring->writer);
	job_report_mapped(r->job, ring->output, ring->generation);
	return 0;
}

void out_rings_commit(struct out_rings *r, size_t n)
{
	ring_writer_commit(&r->ring.writer, n);
	r->pos += n;
}

void out_rings_append(struct out_rings *r, const void *bytes, size_t n)
{
	ring_writer_append(&r->ring.writer, bytes, n);
	r->pos += n;
}

void out_rings_move(struct out_rings *r)
{
	assert(r->next.writer.header);
	ring_done(r->job, &r->ring);
	r->ring = r->next;
	job_ring_remove(r->job, &r->next.writer);
	r->next = (struct out_ring){0};
	r->ring.base = r->pos;
	job_ring_add(r->job, &r->ring.writer);
	log_info("moved to another ring bytes=%llu generation=%llu",
		 (unsigned long long)r->ring.writer.data_bytes,
		 (unsigned long long)r->ring.generation);
}

void out_rings_add_rap(struct out_rings *r, struct ring_rap *rap)
{
	struct ring_writer *w = &r->ring.writer;

	assert(rap->pos < r->pos);
	if (rap->pos < r->ring.base)
		return;
	rap->pos -= r->ring.base;
	ring_writer_add_rap(w, rap);
	if (r->ring.running)
		return;
	r->ring.running = true;
	if (rap->pts_90k != TIME_NONE) {
		int64_t since_us = (int64_t)clock_mono_us() - r->job->epoch_mono_us;

		atomic_store_explicit(&w->header->first_90k, rap->pts_90k, memory_order_relaxed);
		atomic_store_explicit(&w->header->epoch_90k, since_us * 9 / 100 - rap->pts_90k,
				      memory_order_relaxed);
	}
	job_report_running(r->job, r->ring.output, r->ring.generation);
}

/* Asks for a ring that holds `seconds` of what comes in. */
static void judge_size(struct out_rings *r)
{
	uint64_t wanted = r->bitrate / 8 * r->seconds;
	uint64_t class = ring_class(wanted);

	if (!r->seconds || r->next.writer.header || class <= r->ring.writer.data_bytes ||
	    class <= r->asked_bytes)
		return;
	r->asked_bytes = class;
	log_debug("the ring is small bitrate=%llu wanted_bytes=%llu",
		  (unsigned long long)r->bitrate, (unsigned long long)wanted);
	job_report_ring_small(r->job, r->ring.output, wanted);
}

void out_rings_measure(struct out_rings *r, int64_t clock_90k)
{
	int64_t gone;

	if (clock_90k == TIME_NONE)
		return;
	gone = r->rate_90k == TIME_NONE ? -1 : clock_90k - r->rate_90k;
	if (gone < 0 || gone > 4 * RATE_NEXT_90K) {
		r->rate_90k = clock_90k;
		r->rate_pos = r->pos;
		return;
	}
	if (gone < RATE_FIRST_90K || (r->bitrate && gone < RATE_NEXT_90K))
		return;
	r->bitrate = (r->pos - r->rate_pos) * 8 * HZ / (uint64_t)gone;
	r->rate_90k = clock_90k;
	r->rate_pos = r->pos;
	judge_size(r);
}

void out_rings_ended(struct out_rings *r)
{
	assert(out_rings_attached(r));
	ring_writer_ended(&r->ring.writer);
}
