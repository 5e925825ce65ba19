/* segment.c - the job that makes other forms of the transport streams of a channel: segments in
 * files, and fragments of MP4 in rings. */
#include "amps-transcoder/roles/roles.h"

#include <assert.h>
#include <signal.h>

#include "amps-transcoder/segment/mp4_ring.h"
#include "amps-transcoder/segment/track.h"
#include "amps-transcoder/ts/parse.h"
#include "common/clock.h"
#include "common/log/log.h"

#define WAIT_MS	     50
#define PART_WAIT_MS 10		  /* where parts are published as they come */
#define STEPS	     8		  /* between two looks for orders, while there is much to read */
#define GOP_STEP_90K (TS_HZ / 10) /* a longer distance of access points is worth a message */

static_assert(4 * SEGMENT_OUTPUTS_MAX + 32 <= JOB_FILES_MAX,
	      "a folder, a file, and two rings of the source at most for each");

/* An output: of segments, or a ring of fragments.  Both NULL: the place is free. */
struct made {
	struct segment_track *track;
	struct mp4_ring *ring;
	bool done; /* ended */
};

struct segmenter {
	struct job *job;
	struct cuts cuts;
	struct made made[SEGMENT_OUTPUTS_MAX];
	unsigned percent;
	int64_t reported_gop_90k;
};

static bool is_free(const struct made *m)
{
	return !m->track && !m->ring;
}

static uint32_t output_of(const struct made *m)
{
	return m->track ? segment_track_output(m->track) : mp4_ring_output(m->ring);
}

static unsigned find(const struct segmenter *s, uint32_t output)
{
	unsigned i = 0;

	while (i < SEGMENT_OUTPUTS_MAX &&
	       (is_free(&s->made[i]) || output_of(&s->made[i]) != output))
		i++;
	return i;
}

static void drop(struct made *m, bool remove)
{
	m->track = segment_track_free(m->track, remove);
	m->ring = mp4_ring_free(m->ring);
	m->done = false;
}

static void add_output(struct segmenter *s, struct made *m, const struct job_event *event)
{
	if (!form_is_segments(event->form)) {
		m->ring = mp4_ring_new(s->job, event);
		return;
	}
	m->track = segment_track_new(s->job, &s->cuts, event);
	if (m->track)
		segment_track_window(m->track, s->percent);
}

static void take_output(struct segmenter *s, const struct job_event *event)
{
	unsigned i = find(s, event->output), place = 0;

	if (i < SEGMENT_OUTPUTS_MAX && s->made[i].ring) {
		mp4_ring_larger(s->made[i].ring, event);
		return;
	}
	if (i < SEGMENT_OUTPUTS_MAX)
		drop(&s->made[i], false);
	while (place < SEGMENT_OUTPUTS_MAX && !is_free(&s->made[place]))
		place++;
	if (place < SEGMENT_OUTPUTS_MAX)
		add_output(s, &s->made[place], event);
	else
		job_report_output_failed(s->job, event->output, event->generation,
					 "too many variants at once", 0);
}

static void take_window(struct segmenter *s, unsigned percent)
{
	s->percent = percent;
	for (unsigned i = 0; i < SEGMENT_OUTPUTS_MAX; i++)
		if (s->made[i].track)
			segment_track_window(s->made[i].track, percent);
}

static void take_event(struct segmenter *s, struct job_event *event)
{
	unsigned i = find(s, event->output);

	if (event->kind == JOB_EVENT_OUTPUT)
		take_output(s, event);
	else if (event->kind == JOB_EVENT_WINDOW)
		take_window(s, event->percent);
	else if (i == SEGMENT_OUTPUTS_MAX)
		log_debug("an order is for an output that is gone output=%u", event->output);
	else if (event->kind == JOB_EVENT_OUTPUT_OFF)
		drop(&s->made[i], true);
	else if (event->kind == JOB_EVENT_SOURCE_RING && s->made[i].track)
		segment_track_source(s->made[i].track, event);
	else if (event->kind == JOB_EVENT_SOURCE_RING)
		mp4_ring_source(s->made[i].ring, event);
}

static void take_orders(struct segmenter *s)
{
	while (!job_ending(s->job)) {
		struct job_event event = JOB_EVENT_INIT;

		job_poll(s->job, &event);
		if (event.kind == JOB_EVENT_NONE || event.kind == JOB_EVENT_SHUTDOWN)
			return;
		take_event(s, &event);
		job_event_done(&event);
	}
}

static enum segment_step step_one(struct made *m)
{
	if (is_free(m))
		return SEGMENT_IDLE;
	return m->track ? segment_track_step(m->track) : mp4_ring_step(m->ring);
}

/* True if there may be more to read. */
static bool step(struct segmenter *s)
{
	bool moved = false;

	for (unsigned i = 0; i < SEGMENT_OUTPUTS_MAX; i++) {
		struct made *m = &s->made[i];
		enum segment_step result = step_one(m);

		m->done = result == SEGMENT_ENDED;
		moved |= result == SEGMENT_MOVED;
		if (result == SEGMENT_FAILED)
			drop(m, true);
	}
	return moved;
}

/* True if there may be more to read. */
static bool step_on(struct segmenter *s)
{
	unsigned n = 0;

	while (n < STEPS && step(s))
		n++;
	return n == STEPS;
}

/* True if there are outputs, and the sources of all of them have ended. */
static bool all_ended(const struct segmenter *s)
{
	unsigned made = 0, ended = 0;

	for (unsigned i = 0; i < SEGMENT_OUTPUTS_MAX; i++) {
		made += !is_free(&s->made[i]);
		ended += s->made[i].done;
	}
	assert(ended <= made);
	return made > 0 && made == ended;
}

/* Is there an output whose readers wait for each part of it? */
static bool has_parts(const struct segmenter *s)
{
	for (unsigned i = 0; i < SEGMENT_OUTPUTS_MAX; i++)
		if (s->made[i].ring ||
		    (s->made[i].track && segment_track_has_parts(s->made[i].track)))
			return true;
	return false;
}

static void report_gop(struct segmenter *s)
{
	if (s->cuts.gop_90k < s->reported_gop_90k + GOP_STEP_90K)
		return;
	s->reported_gop_90k = s->cuts.gop_90k;
	job_report_gop(s->job, (unsigned)(s->reported_gop_90k / 90));
}

static int run(struct segmenter *s)
{
	for (bool ordered = true;;) {
		if (ordered)
			take_orders(s);
		if (job_ending(s->job))
			return job_end_shutdown(s->job);
		ordered = step_on(s) || job_wait(s->job, has_parts(s) ? PART_WAIT_MS : WAIT_MS);
		report_gop(s);
		if (all_ended(s))
			return job_end_ended(s->job);
	}
}

int segment_run(struct job *job)
{
	struct segmenter *s = calloc(1, sizeof(*s));
	int code;

	if (!s)
		return job_end_failed(job, 502, "no memory");
	/* a file that is too large is an error of its output */
	signal(SIGXFSZ, SIG_IGN);
	s->job = job;
	s->percent = 100;
	s->reported_gop_90k = job_spec_int(job, "gop_ms", 0) * 90;
	cuts_init(&s->cuts, clock_wall_us(), (uint32_t)job_spec_int(job, "discontinuity", 1),
		  s->reported_gop_90k);
	code = run(s);
	/* files of outputs that live on are the successor's */
	for (unsigned i = 0; i < SEGMENT_OUTPUTS_MAX; i++)
		if (!is_free(&s->made[i]))
			drop(&s->made[i], job_switched_off(job, output_of(&s->made[i])));
	free(s);
	return code;
}
