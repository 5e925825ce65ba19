#include "amps-worker/live/schedule.h"

#include <assert.h>

#include "common/clock.h"
#include "common/timer.h"

#define RATE_WINDOW_US 200000u
#define TOGETHER_US    1000u /* rings due within this time share a pass */

/* Do viewers wait for its first random access point? */
static bool awaited(const struct stream_ring *r)
{
	return r->waiting && !TAILQ_EMPTY(r->waiting);
}

static bool ring_in_use(const struct stream_ring *r)
{
	return !TAILQ_EMPTY(&r->viewers) || awaited(r);
}

void schedule_init(struct schedule *s)
{
	TAILQ_INIT(&s->rings);
	s->due_us = UINT64_MAX;
	s->interval_us = FEED_INTERVAL_MIN_US;
}

void schedule_arm(struct schedule *s, uint64_t now)
{
	uint64_t due = UINT64_MAX;
	const struct stream_ring *r;

	if (s->ring)
		due = now;
	for (r = s->ring ? NULL : TAILQ_FIRST(&s->rings); r; r = TAILQ_NEXT(r, in_schedule)) {
		if (ring_in_use(r))
			due = MIN(due, r->due_us);
	}
	s->due_us = due;
	if (due == UINT64_MAX) {
		evtimer_del(&s->timer);
		return;
	}
	timer_set(&s->timer, due > now ? due - now : 0);
}

/* How long a pass over all rings takes decides how often there is one. */
static void measure_load(struct schedule *s)
{
	const struct stream_ring *r;
	uint64_t cost = 0;

	TAILQ_FOREACH (r, &s->rings, in_schedule) {
		if (!TAILQ_EMPTY(&r->viewers))
			cost += r->cost_us;
	}
	s->interval_us = MIN(MAX(cost * FEED_LOAD, FEED_INTERVAL_MIN_US), FEED_INTERVAL_MAX_US);
}

static uint64_t ring_interval(const struct schedule *s, const struct stream_ring *r, uint64_t now)
{
	uint64_t interval = s->interval_us, hurry = MAX(FEED_HURRY_US, r->cost_us * 4);

	if (r->bytes_per_second)
		interval = MIN(interval, FEED_BATCH_BYTES * 1000000ull / r->bytes_per_second);
	if (now < r->hurry_until_us || awaited(r))
		interval = MIN(interval, hurry);
	return MAX(interval, FEED_HURRY_US);
}

static void measure_rate(struct stream_ring *r, uint64_t now)
{
	uint64_t commit = ring_commit(&r->map), took = now - r->seen_us, rate;

	if (took < RATE_WINDOW_US)
		return;
	/* a job wrote the counter, so it may hold any value; only an interval depends on it */
	rate = MIN(commit - r->seen_commit, r->map.data_bytes) * 1000000 / took;
	r->bytes_per_second = r->seen_us ? (3 * r->bytes_per_second + rate) / 4 : 0;
	r->seen_commit = commit;
	r->seen_us = now;
}

/* Puts the cursor on the first due ring at or behind r. */
static void enter_ring(struct schedule *s, struct stream_ring *r)
{
	while (r && (r->due_us > s->pass_us || !ring_in_use(r)))
		r = TAILQ_NEXT(r, in_schedule);
	s->ring = r;
	s->next = r ? TAILQ_FIRST(&r->viewers) : NULL;
	s->spent_us = 0;
}

void schedule_begin_pass(struct schedule *s, uint64_t now)
{
	assert(!s->ring && !s->next);
	s->pass_us = now + TOGETHER_US;
	enter_ring(s, TAILQ_FIRST(&s->rings));
}

void schedule_next_ring(struct schedule *s, uint64_t now)
{
	struct stream_ring *r = s->ring;

	assert(r && !s->next);
	r->cost_us = (3 * r->cost_us + s->spent_us) / 4;
	measure_rate(r, now);
	r->due_us = s->pass_us + ring_interval(s, r, now);
	enter_ring(s, TAILQ_NEXT(r, in_schedule));
	if (!s->ring)
		measure_load(s);
}

void schedule_add_ring(struct schedule *s, struct stream_ring *r)
{
	assert(s->ring != r);
	TAILQ_INSERT_TAIL(&s->rings, r, in_schedule);
	r->seen_us = clock_mono_us();
	r->seen_commit = ring_commit(&r->map);
	schedule_hurry(s, r);
}

void schedule_remove_ring(struct schedule *s, struct stream_ring *r)
{
	if (s->ring == r)
		enter_ring(s, TAILQ_NEXT(r, in_schedule));
	TAILQ_REMOVE(&s->rings, r, in_schedule);
}

void schedule_viewer_leaves(struct schedule *s, const struct viewer *v, struct viewer *next)
{
	if (s->next == v)
		s->next = next;
}

void schedule_wake(struct schedule *s, struct stream_ring *r)
{
	uint64_t now = clock_mono_us();

	r->due_us = now + (now < r->hurry_until_us ? FEED_HURRY_US : FEED_INTERVAL_MIN_US);
	schedule_arm(s, now);
}

void schedule_hurry(struct schedule *s, struct stream_ring *r)
{
	uint64_t now = clock_mono_us();

	r->due_us = now;
	r->hurry_until_us = now + FEED_HURRY_FOR_US;
	schedule_arm(s, now);
}
