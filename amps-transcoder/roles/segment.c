/* segment.c - the job that cuts the transport streams of a channel into files. */
#include "amps-transcoder/roles/roles.h"

#include <assert.h>
#include <signal.h>

#include "amps-transcoder/segment/track.h"
#include "amps-transcoder/ts/parse.h"
#include "common/clock.h"
#include "common/log/log.h"

#define WAIT_MS	     50
#define PART_WAIT_MS 5		  /* where parts are published as they come */
#define GOP_STEP_90K (TS_HZ / 10) /* a longer distance of access points is worth a message */

struct segmenter {
	struct job *job;
	struct cuts cuts;
	struct segment_track *tracks[SEGMENT_OUTPUTS_MAX]; /* NULL = free */
	bool done[SEGMENT_OUTPUTS_MAX];			   /* ended */
	unsigned percent;
	int64_t reported_gop_90k;
};

static unsigned find(const struct segmenter *s, uint32_t output)
{
	unsigned i = 0;

	while (i < SEGMENT_OUTPUTS_MAX &&
	       (!s->tracks[i] || segment_track_output(s->tracks[i]) != output))
		i++;
	return i;
}

static void drop(struct segmenter *s, unsigned i, bool remove)
{
	s->tracks[i] = segment_track_free(s->tracks[i], remove);
	s->done[i] = false;
}

static void take_output(struct segmenter *s, const struct job_event *event)
{
	unsigned i = find(s, event->output), place = 0;

	if (i < SEGMENT_OUTPUTS_MAX)
		drop(s, i, false);
	while (place < SEGMENT_OUTPUTS_MAX && s->tracks[place])
		place++;
	if (place == SEGMENT_OUTPUTS_MAX) {
		job_report_output_failed(s->job, event->output, event->generation,
					 "too many variants at once", 0);
		return;
	}
	s->tracks[place] = segment_track_new(s->job, &s->cuts, event);
	if (s->tracks[place])
		segment_track_window(s->tracks[place], s->percent);
}

static void take_window(struct segmenter *s, unsigned percent)
{
	s->percent = percent;
	for (unsigned i = 0; i < SEGMENT_OUTPUTS_MAX; i++)
		if (s->tracks[i])
			segment_track_window(s->tracks[i], percent);
}

static void take_event(struct segmenter *s, const struct job_event *event)
{
	unsigned i = find(s, event->output);

	if (event->kind == JOB_EVENT_OUTPUT)
		take_output(s, event);
	else if (event->kind == JOB_EVENT_WINDOW)
		take_window(s, event->percent);
	else if (i == SEGMENT_OUTPUTS_MAX)
		log_debug("an order is for an output that is gone output=%u", event->output);
	else if (event->kind == JOB_EVENT_OUTPUT_OFF)
		drop(s, i, true);
	else if (event->kind == JOB_EVENT_SOURCE_RING)
		segment_track_source(s->tracks[i], event);
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

/* True if there may be more to read. */
static bool step(struct segmenter *s)
{
	bool moved = false;

	for (unsigned i = 0; i < SEGMENT_OUTPUTS_MAX; i++) {
		enum segment_step result =
			s->tracks[i] ? segment_track_step(s->tracks[i]) : SEGMENT_IDLE;

		s->done[i] = result == SEGMENT_ENDED;
		moved |= result == SEGMENT_MOVED;
		if (result == SEGMENT_FAILED)
			drop(s, i, true);
	}
	return moved;
}

/* True if there are tracks, and the sources of all of them have ended. */
static bool all_ended(const struct segmenter *s)
{
	unsigned tracks = 0, ended = 0;

	for (unsigned i = 0; i < SEGMENT_OUTPUTS_MAX; i++) {
		tracks += s->tracks[i] != NULL;
		ended += s->done[i];
	}
	assert(ended <= tracks);
	return tracks > 0 && tracks == ended;
}

static bool has_parts(const struct segmenter *s)
{
	for (unsigned i = 0; i < SEGMENT_OUTPUTS_MAX; i++)
		if (s->tracks[i] && segment_track_has_parts(s->tracks[i]))
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
	for (;;) {
		take_orders(s);
		if (job_ending(s->job))
			return job_end_shutdown(s->job);
		if (!step(s))
			job_wait(s->job, has_parts(s) ? PART_WAIT_MS : WAIT_MS);
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
		if (s->tracks[i])
			drop(s, i, job_switched_off(job, segment_track_output(s->tracks[i])));
	free(s);
	return code;
}
