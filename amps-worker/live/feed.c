#include "amps-worker/live/feed.h"

#include <assert.h>
#include "amps-worker/context/context.h"
#include "amps-worker/live/viewer.h"
#include "common/clock.h"

#define CLOCK_EVERY 8u /* sends between two readings of the clock */

static void feed_one(struct schedule *s)
{
	struct viewer *v = s->next;

	s->next = TAILQ_NEXT(v, link);
	if ((v->stream.blocked ? viewer_blocked(v) : viewer_feed(v)) == VIEWER_GONE)
		viewer_close(v);
}

static void leave_ring(struct schedule *s, uint64_t now)
{
	struct stream_ring *r = s->ring;

	assert(r && !s->next);
	schedule_next_ring(s, now);
	if (r->waiting) /* the last step: it may free rings */
		viewer_begin_waiting(r->output);
}

static void run_slice(struct schedule *s, uint64_t start)
{
	uint64_t now = start, mark = start;
	unsigned sends = 0;

	if (!s->ring)
		schedule_begin_pass(s, now);
	while (s->ring && now - start < FEED_SLICE_US) {
		const struct stream_ring *r = s->ring;

		if (s->next)
			feed_one(s);
		if (s->ring == r && s->next && ++sends % CLOCK_EVERY)
			continue;
		now = clock_mono_us();
		if (s->ring != r) {
			mark = now; /* that ring was closed under the cursor */
			continue;
		}
		s->spent_us += now - mark;
		mark = now;
		if (!s->next)
			leave_ring(s, now);
	}
	s->slice_end_us = now;
	schedule_arm(s, now);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_slice(arg, clock_mono_us());
}

void feed_init(struct schedule *s, struct event_base *base)
{
	schedule_init(s);
	evtimer_assign(&s->timer, base, on_timer, s);
	event_priority_set(&s->timer, PRIORITY_FEED);
}

void feed_done(struct schedule *s)
{
	evtimer_del(&s->timer);
}

void feed_catch_up(struct schedule *s)
{
	uint64_t now;

	if (s->due_us == UINT64_MAX)
		return;
	now = clock_mono_us();
	if (now > s->due_us + FEED_STARVED_US && now > s->slice_end_us + FEED_STARVED_US)
		run_slice(s, now);
}
