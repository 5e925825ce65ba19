#include "amps-worker/http/body_maker.h"

#include <assert.h>
#include <event2/event_struct.h>
#include <string.h>

#include "amps-worker/context/context.h"
#include "amps-worker/http/body_build.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/timer.h"

struct making {
	TAILQ_ENTRY(making) link;
	struct held_list waiters;
	const struct body_source *source;
	bool begun;
	void *state; /* NULL once the text is complete */
	struct buf text;
	struct body_build build; /* from then on */
	int64_t wall_us, expires_us;
	size_t key_len;
	char key[];
};

struct body_maker {
	TAILQ_HEAD(making_list, making) makings;
	size_t count;
	struct body_cache *cache;
	struct body_room room;
	struct event timer;
	uint64_t slice_end_us; /* of the last slice */
};

static void making_free(struct making *g)
{
	assert(TAILQ_EMPTY(&g->waiters));
	if (g->state)
		g->source->free(g->state);
	else if (g->build.body)
		body_build_cancel(&g->build);
	buf_done(&g->text);
	free(g);
}

static void arm(struct body_maker *m, uint64_t delay_ms)
{
	if (TAILQ_EMPTY(&m->makings))
		evtimer_del(&m->timer);
	else
		timer_set(&m->timer, delay_ms * 1000);
}

/* One step: 1 = there is more to do, 0 = the body is built, or -ENOMEM or -EFBIG. */
static int making_step(struct making *g)
{
	struct body_follow *follow;
	int r;

	if (!g->state)
		return body_build_step(&g->build) ? 0 : 1;
	r = g->source->step(g->state, &g->text, &g->expires_us);
	if (r != 0)
		return r;
	follow = g->source->follow ? g->source->follow(g->state) : NULL;
	r = body_build_begin(&g->build, &g->text, g->source->type, follow);
	if (r == 0 && g->source->changed_us)
		g->build.body->changed_us = g->source->changed_us(g->state);
	g->source->free(g->state);
	g->state = NULL;
	return r < 0 ? r : 1;
}

/* Steps until `end_us`; as making_step(). */
static int making_run(struct making *g, uint64_t end_us)
{
	int r;

	do
		r = making_step(g);
	while (r > 0 && clock_mono_us() < end_us);
	return r;
}

/* The body, with one reference for the caller; the cache keeps it, too. */
static struct body *making_end(struct body_maker *m, struct making *g)
{
	struct body *body = body_build_end(&g->build);

	body_count(body, m->room.account);
	body_cache_keep(m->cache, g->key, g->key_len, body, g->wall_us, g->expires_us);
	return body;
}

static void making_unlink(struct body_maker *m, struct making *g)
{
	assert(m->count > 0);
	TAILQ_REMOVE(&m->makings, g, link);
	m->count--;
}

/* Completes all replies that wait; their connections may start other makings meanwhile. */
static void making_finish(struct body_maker *m, struct making *g, int result)
{
	static const struct held_error no_memory = {503, "no memory for the answer"};
	static const struct held_error too_large = {413, BODY_TOO_LARGE};
	const struct held_error *error = result == -EFBIG ? &too_large : &no_memory;
	struct body *body = result == 0 ? making_end(m, g) : NULL;
	struct held *h;

	making_unlink(m, g);
	while ((h = TAILQ_FIRST(&g->waiters))) {
		if (body)
			h->reply->shared = body_ref(body);
		held_ready(h, body ? NULL : error);
	}
	body_unref(body);
	making_free(g);
}

/* One that has begun may always go on; a new one needs room. */
static bool may_run(struct body_maker *m, struct making *g)
{
	g->begun = g->begun || m->room.make(m->room.owner);
	return g->begun;
}

static void run_slice(struct body_maker *m)
{
	uint64_t end_us = clock_mono_us() + MAKE_SLICE_US;
	struct making *g = TAILQ_FIRST(&m->makings);
	bool room = true;
	int r;

	while (g && TAILQ_EMPTY(&g->waiters)) {
		making_unlink(m, g);
		making_free(g);
		g = TAILQ_FIRST(&m->makings);
	}
	if (g) {
		room = may_run(m, g);
		r = room ? making_run(g, end_us) : 1;
		if (r <= 0)
			making_finish(m, g, r);
	}
	m->slice_end_us = clock_mono_us();
	arm(m, room ? 0 : BODY_ROOM_MS);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_slice(arg);
}

struct body_maker *body_maker_new(struct event_base *base, struct body_cache *cache,
				  const struct body_room *room)
{
	struct body_maker *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	TAILQ_INIT(&m->makings);
	m->cache = cache;
	m->room = *room;
	evtimer_assign(&m->timer, base, on_timer, m);
	event_priority_set(&m->timer, PRIORITY_FEED);
	return m;
}

void body_maker_free(struct body_maker *m)
{
	struct making *g;

	if (!m)
		return;
	while ((g = TAILQ_FIRST(&m->makings))) {
		making_unlink(m, g);
		making_free(g);
	}
	evtimer_del(&m->timer);
	free(m);
}

static void hold(struct making *g, struct reply *r)
{
	static const struct held_rule rule = {
		.deadline_ms = HTTP_MAKE_MS,
		.late = {503, "the server is too busy to make the answer"}};

	held_begin(&r->held, r, &g->waiters, &rule);
}

bool body_maker_join(struct body_maker *m, const void *key, size_t key_len, struct reply *r)
{
	struct making *g;

	TAILQ_FOREACH (g, &m->makings, link)
		if (g->key_len == key_len && !memcmp(g->key, key, key_len)) {
			hold(g, r);
			return true;
		}
	return false;
}

static struct making *making_new(const void *key, size_t key_len, int64_t wall_us,
				 const struct body_source *source, void *state)
{
	struct making *g = calloc(1, sizeof(*g) + key_len);

	if (!g)
		return NULL;
	TAILQ_INIT(&g->waiters);
	g->source = source;
	g->state = state;
	g->wall_us = wall_us;
	g->key_len = key_len;
	memcpy(g->key, key, key_len);
	return g;
}

int body_maker_start(struct body_maker *m, const void *key, size_t key_len, int64_t wall_us,
		     const struct body_source *source, void *state, struct reply *reply)
{
	struct making *g = NULL;
	int r = m->count < BODY_MAKINGS_MAX ? 1 : -EBUSY;

	if (r > 0) {
		g = making_new(key, key_len, wall_us, source, state);
		if (!g)
			r = -ENOMEM;
	}
	if (!g) {
		source->free(state);
		return r;
	}
	/* with others before it, it would wait anyway */
	if (m->count == 0 && may_run(m, g))
		r = making_run(g, clock_mono_us() + MAKE_SLICE_US);
	if (r <= 0) {
		reply->shared = r == 0 ? making_end(m, g) : NULL;
		making_free(g);
		return r;
	}
	TAILQ_INSERT_TAIL(&m->makings, g, link);
	m->slice_end_us = clock_mono_us();
	m->count++;
	assert(m->count <= BODY_MAKINGS_MAX);
	if (m->count == 1)
		arm(m, g->begun ? 0 : BODY_ROOM_MS);
	hold(g, reply);
	return 0;
}

void body_maker_catch_up(struct body_maker *m)
{
	if (m->count && clock_mono_us() > m->slice_end_us + MAKE_STARVED_US)
		run_slice(m);
}
