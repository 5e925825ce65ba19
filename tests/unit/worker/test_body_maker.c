#include <criterion/criterion.h>
#include <event2/event_struct.h>
#include <string.h>
#include "amps-worker/http/body_maker.h"
#include "amps-worker/context/context.h"
#include "common/clock.h"
#include "leaks.h"

#define STEP_US 200u

/* A text of `left` steps that each take STEP_US. */
struct slow {
	unsigned left;
	unsigned *frees;
	int error; /* of the last step */
};

static int slow_step(void *state, struct buf *out, int64_t *ret_expires_us)
{
	struct slow *s = state;
	uint64_t end = clock_mono_us() + STEP_US;

	while (clock_mono_us() < end)
		;
	buf_puts(out, "one step of a text that takes its time\n");
	*ret_expires_us = 1000;
	return --s->left ? 1 : s->error;
}

static void slow_free(void *state)
{
	++*((struct slow *)state)->frees;
	free(state);
}

static const struct body_source source = {"x/y", slow_step, slow_free};

struct shop {
	struct event_base *base;
	struct body_cache *cache;
	struct body_maker *maker;
	struct body_account account;
	bool full;
	unsigned frees;
};

static bool make_room(void *owner)
{
	return !((struct shop *)owner)->full;
}

static void shop_open(struct shop *s)
{
	*s = (struct shop){.base = event_base_new(), .cache = body_cache_new(1 << 20)};
	event_base_priority_init(s->base, PRIORITY_COUNT_);
	s->maker =
		body_maker_new(s->base, s->cache, &(struct body_room){&s->account, make_room, s});
}

static void shop_close(struct shop *s)
{
	body_maker_free(s->maker);
	body_cache_free(s->cache);
	event_base_free(s->base);
	assert_no_leaks();
}

static struct making *begin(struct shop *s, char key, unsigned steps, int error)
{
	struct slow *slow = malloc(sizeof(*slow));
	struct making *making = NULL;
	struct body *body = NULL;

	*slow = (struct slow){.left = steps, .frees = &s->frees, .error = error};
	cr_assert_eq(body_maker_start(s->maker, &key, 1, 10, &source, slow, &body, &making), 0);
	cr_assert_null(body);
	cr_assert_not_null(making);
	return making;
}

struct customer {
	struct body_waiter waiter;
	unsigned calls;
	struct body *body;
};

static void on_ready(void *owner, struct body *body)
{
	struct customer *c = owner;

	c->calls++;
	c->body = body ? body_ref(body) : NULL;
}

static void wait_at(struct customer *c, struct making *making)
{
	*c = (struct customer){.waiter = {.ready = on_ready, .owner = c}};
	body_maker_wait(making, &c->waiter);
}

static void turn_until(struct shop *s, const struct customer *c)
{
	while (!c->calls)
		event_base_loop(s->base, EVLOOP_ONCE);
}

Test(body_maker, a_small_body_is_made_at_once)
{
	struct shop s;
	struct slow *slow = malloc(sizeof(*slow));
	struct making *making = NULL;
	struct body *body = NULL, *cached;

	shop_open(&s);
	*slow = (struct slow){.left = 1, .frees = &s.frees};
	cr_assert_eq(body_maker_start(s.maker, "k", 1, 10, &source, slow, &body, &making), 0);
	cr_assert_null(making);
	cr_assert_not_null(body);
	cached = body_cache_get(s.cache, "k", 1, 10);
	cr_assert_eq(cached, body);
	cr_assert_null(body_cache_get(s.cache, "k", 1, 1000), "it ends when the text says so");
	cr_assert_eq(s.frees, 1);
	body_unref(cached);
	body_unref(body);
	shop_close(&s);
}

struct ticker {
	struct event event;
	unsigned turns;
};

/* Runs again at once, like the feed in the middle of a pass. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once;
	struct ticker *t = arg;

	(void)fd;
	(void)what;
	t->turns++;
	evtimer_add(&t->event, &at_once);
}

Test(body_maker, the_feed_runs_between_slices)
{
	static const struct timeval at_once;
	struct ticker t = {0};
	struct customer c;
	struct shop s;

	shop_open(&s);
	evtimer_assign(&t.event, s.base, on_tick, &t);
	event_priority_set(&t.event, PRIORITY_FEED);
	evtimer_add(&t.event, &at_once);
	wait_at(&c, begin(&s, 'k', 100, 0));
	turn_until(&s, &c);
	cr_expect_geq(t.turns, 100 * STEP_US / MAKE_SLICE_US / 2, "%u turns", t.turns);
	cr_assert_not_null(c.body);
	cr_expect_eq(c.body->plain_len, 100 * strlen("one step of a text that takes its time\n"));
	cr_expect_not_null(c.body->gzip);
	body_unref(c.body);
	evtimer_del(&t.event);
	shop_close(&s);
}

Test(body_maker, requests_for_the_same_body_wait_for_one_making)
{
	struct customer c[3];
	struct making *making;
	struct shop s;

	shop_open(&s);
	making = begin(&s, 'k', 20, 0);
	for (size_t i = 0; i < array_size(c); i++) {
		cr_assert_eq(body_maker_find(s.maker, "k", 1), making);
		wait_at(&c[i], making);
	}
	cr_assert_null(body_maker_find(s.maker, "l", 1));
	body_maker_leave(&c[1].waiter);
	turn_until(&s, &c[2]);
	cr_assert_null(body_maker_find(s.maker, "k", 1));
	cr_assert_eq(c[0].calls, 1);
	cr_assert_eq(c[1].calls, 0, "who has left is not called");
	cr_assert_eq(c[0].body, c[2].body);
	cr_assert_eq(s.frees, 1);
	body_unref(c[0].body);
	body_unref(c[2].body);
	shop_close(&s);
}

Test(body_maker, a_making_without_waiting_requests_is_dropped)
{
	struct customer c, other;
	struct shop s;

	shop_open(&s);
	wait_at(&c, begin(&s, 'k', 60, 0));
	wait_at(&other, begin(&s, 'l', 20, 0));
	body_maker_leave(&c.waiter);
	turn_until(&s, &other);
	cr_assert_eq(c.calls, 0);
	cr_assert_eq(s.frees, 2);
	cr_assert_null(body_cache_get(s.cache, "k", 1, 10));
	body_unref(other.body);
	wait_at(&c, begin(&s, 'm', 60, 0));
	body_maker_leave(&c.waiter);
	shop_close(&s);
}

Test(body_maker, without_memory_all_who_wait_are_called)
{
	struct customer c;
	struct shop s;

	shop_open(&s);
	wait_at(&c, begin(&s, 'k', 20, -ENOMEM));
	turn_until(&s, &c);
	cr_assert_null(c.body);
	cr_assert_eq(s.frees, 1);
	cr_assert_null(body_cache_get(s.cache, "k", 1, 10));
	shop_close(&s);
}

Test(body_maker, bounds_the_makings)
{
	static struct customer c[BODY_MAKINGS_MAX];
	struct slow *slow = malloc(sizeof(*slow));
	struct making *making = NULL;
	struct body *body = NULL;
	struct shop s;

	shop_open(&s);
	for (unsigned i = 0; i < BODY_MAKINGS_MAX; i++)
		wait_at(&c[i], begin(&s, 'k', 50, 0));
	*slow = (struct slow){.left = 20, .frees = &s.frees};
	cr_assert_eq(body_maker_start(s.maker, "x", 1, 10, &source, slow, &body, &making), -EBUSY);
	cr_assert_eq(s.frees, 1);
	for (unsigned i = 0; i < BODY_MAKINGS_MAX; i++)
		body_maker_leave(&c[i].waiter);
	shop_close(&s);
}

Test(body_maker, endless_events_of_clients_do_not_starve_it)
{
	struct customer c;
	struct shop s;

	shop_open(&s);
	wait_at(&c, begin(&s, 'k', 20, 0));
	while (!c.calls)
		body_maker_catch_up(s.maker); /* the loop never has its turn */
	cr_assert_not_null(c.body);
	body_unref(c.body);
	shop_close(&s);
}

Test(body_maker, waits_while_there_is_no_room)
{
	static const char line[] = "one step of a text that takes its time\n";
	struct customer c;
	struct shop s;
	struct body *cached;

	shop_open(&s);
	s.full = true;
	wait_at(&c, begin(&s, 'k', 1, 0));
	for (unsigned i = 0; i < 3; i++)
		event_base_loop(s.base, EVLOOP_ONCE);
	cr_assert_eq(c.calls, 0);
	cr_assert_eq(s.account.bytes, 0);
	s.full = false;
	turn_until(&s, &c);
	cr_assert_eq(s.account.bytes, strlen(line));
	body_unref(c.body);
	cr_assert_eq(s.account.bytes, strlen(line), "the cache holds it");
	cached = body_cache_get(s.cache, "k", 1, 10);
	cr_assert_not_null(cached);
	body_cache_drop_unused(s.cache);
	cr_assert_eq(body_cache_count(s.cache), 1, "one that is used stays");
	body_unref(cached);
	body_cache_drop_unused(s.cache);
	cr_assert_eq(s.account.bytes, 0);
	shop_close(&s);
}
