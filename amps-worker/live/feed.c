/* feed.c - see feed.h */
#include "amps-worker/live/feed.h"

#include "amps-worker/http/conn.h"
#include "amps-worker/live/viewer.h"
#include "amps-worker/worker.h"

#define RATE_WINDOW_US 200000u
#define CLOCK_EVERY    8u /* sends between two looks at the clock */

static void arm_timer(struct feed *f, uint64_t delay_us)
{
	struct timeval tv = {(time_t)(delay_us / 1000000), (suseconds_t)(delay_us % 1000000)};

	evtimer_add(&f->timer, &tv);
}

static bool ring_in_use(const struct stream_ring *r)
{
	return !TAILQ_EMPTY(&r->viewers) ||
	       (!TAILQ_EMPTY(&r->output->waiting) && output_ring(r->output) == r);
}

/* The timer follows the earliest ring; an unfinished pass goes on at once. */
static void schedule(struct feed *f, uint64_t now)
{
	const struct stream_ring *r;
	uint64_t due = UINT64_MAX;

	if (f->ring) {
		f->due_us = now;
		arm_timer(f, 0);
		return;
	}
	TAILQ_FOREACH(r, &f->rings, in_feed)
	{
		if (ring_in_use(r))
			due = MIN(due, r->due_us);
	}
	f->due_us = due;
	if (due == UINT64_MAX)
		evtimer_del(&f->timer);
	else
		arm_timer(f, due > now ? due - now : 0);
}

/* How long a pass over all rings takes decides how often there is one. */
static void measure_load(struct feed *f)
{
	const struct stream_ring *r;
	uint64_t cost = 0;

	TAILQ_FOREACH(r, &f->rings, in_feed)
	{
		if (!TAILQ_EMPTY(&r->viewers))
			cost += r->cost_us;
	}
	f->interval_us = MIN(MAX(cost * FEED_LOAD, FEED_INTERVAL_MIN_US), FEED_INTERVAL_MAX_US);
}

static uint64_t ring_interval(const struct feed *f, const struct stream_ring *r, uint64_t now)
{
	uint64_t interval = f->interval_us, hurry = MAX(FEED_HURRY_US, r->cost_us * 4);

	if (r->bytes_per_second)
		interval = MIN(interval, FEED_BATCH_BYTES * 1000000ull / r->bytes_per_second);
	if (now < r->hurry_until_us || !TAILQ_EMPTY(&r->output->waiting))
		interval = MIN(interval, hurry);
	return MAX(interval, FEED_HURRY_US);
}

static void measure_rate(struct stream_ring *r, uint64_t now)
{
	uint64_t commit = ring_commit(&r->map), took = now - r->seen_us, rate;

	if (took < RATE_WINDOW_US)
		return;
	/* the counter is a job's: anything may stand there, nothing but an interval follows */
	rate = MIN(commit - r->seen_commit, r->map.data_bytes) * 1000000 / took;
	r->bytes_per_second = r->seen_us ? (3 * r->bytes_per_second + rate) / 4 : 0;
	r->seen_commit = commit;
	r->seen_us = now;
}

/* Puts the cursor on the first due ring at or behind r. */
static void enter_ring(struct feed *f, struct stream_ring *r)
{
	while (r && (r->due_us > f->pass_us || !ring_in_use(r)))
		r = TAILQ_NEXT(r, in_feed);
	f->ring = r;
	f->next = r ? TAILQ_FIRST(&r->viewers) : NULL;
	f->spent_us = 0;
}

static void leave_ring(struct feed *f, uint64_t now)
{
	struct stream_ring *r = f->ring;

	r->cost_us = (3 * r->cost_us + f->spent_us) / 4;
	measure_rate(r, now);
	r->due_us = f->pass_us + ring_interval(f, r, now);
	enter_ring(f, TAILQ_NEXT(r, in_feed));
	if (!f->ring)
		measure_load(f);
	/* may free rings, so it is the last thing */
	if (output_ring(r->output) == r)
		output_begin_waiting(r->output);
}

static void feed_one(struct feed *f)
{
	struct viewer *v = f->next;

	f->next = TAILQ_NEXT(v, link);
	if ((v->blocked ? viewer_blocked(v) : viewer_feed(v)) == VIEWER_GONE)
		conn_free(v->conn);
}

static void run_slice(struct feed *f, uint64_t start)
{
	uint64_t now = start, mark = start;
	unsigned sends = 0;

	if (!f->ring) {
		f->pass_us = now + 1000; /* what is due within a millisecond goes along */
		enter_ring(f, TAILQ_FIRST(&f->rings));
	}
	while (f->ring && now - start < FEED_SLICE_US) {
		const struct stream_ring *r = f->ring;

		if (f->next)
			feed_one(f);
		if (f->ring == r && f->next && ++sends % CLOCK_EVERY)
			continue;
		now = clock_mono_us();
		if (f->ring != r) {
			mark = now; /* that ring was closed under the cursor */
			continue;
		}
		f->spent_us += now - mark;
		mark = now;
		if (!f->next)
			leave_ring(f, now);
	}
	f->slice_end_us = now;
	schedule(f, now);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	run_slice(&w->feed, clock_mono_us());
}

void feed_init(struct worker *w)
{
	struct feed *f = &w->feed;

	TAILQ_INIT(&f->rings);
	f->due_us = UINT64_MAX;
	f->interval_us = FEED_INTERVAL_MIN_US;
	evtimer_assign(&f->timer, w->base, on_timer, w);
	event_priority_set(&f->timer, PRIORITY_FEED);
}

void feed_done(struct worker *w)
{
	evtimer_del(&w->feed.timer);
}

void feed_add_ring(struct worker *w, struct stream_ring *r)
{
	TAILQ_INSERT_TAIL(&w->feed.rings, r, in_feed);
	r->seen_us = clock_mono_us();
	r->seen_commit = ring_commit(&r->map);
	feed_hurry(w, r);
}

void feed_remove_ring(struct worker *w, struct stream_ring *r)
{
	if (w->feed.ring == r)
		enter_ring(&w->feed, TAILQ_NEXT(r, in_feed));
	TAILQ_REMOVE(&w->feed.rings, r, in_feed);
}

void feed_viewer_leaves(struct worker *w, const struct viewer *v)
{
	if (w->feed.next == v)
		w->feed.next = TAILQ_NEXT(v, link);
}

void feed_viewer_comes(struct worker *w, struct stream_ring *r)
{
	if (TAILQ_NEXT(TAILQ_FIRST(&r->viewers), link))
		return;
	/* the first one: the ring slept */
	r->due_us = clock_mono_us() + FEED_INTERVAL_MIN_US;
	schedule(&w->feed, clock_mono_us());
}

void feed_hurry(struct worker *w, struct stream_ring *r)
{
	uint64_t now = clock_mono_us();

	r->due_us = now;
	r->hurry_until_us = now + FEED_HURRY_FOR_US;
	schedule(&w->feed, now);
}

void feed_catch_up(struct worker *w)
{
	struct feed *f = &w->feed;
	uint64_t now;

	if (f->due_us == UINT64_MAX)
		return;
	now = clock_mono_us();
	if (now > f->due_us + FEED_STARVED_US && now > f->slice_end_us + FEED_STARVED_US)
		run_slice(f, now);
}
