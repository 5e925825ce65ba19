#include <event2/event_struct.h>
#include <string.h>
#include "amps-worker/http/body_maker.h"
#include "amps-worker/context/context.h"
#include "common/clock.h"
#include "unit.h"

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

static const struct body_source source = {"x/y", slow_step, slow_free, NULL, NULL};

struct shop {
	struct event_base *base;
	struct body_cache *cache;
	struct body_maker *maker;
	struct body_account account;
	struct holds holds;
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
	holds_init(&s->holds);
	event_base_priority_init(s->base, PRIORITY_COUNT_);
	s->maker =
		body_maker_new(s->base, s->cache, &(struct body_room){&s->account, make_room, s});
}

static void shop_close(struct shop *s)
{
	body_maker_free(s->maker);
	body_cache_free(s->cache);
	event_base_free(s->base);
}

/* A request that waits for a body. */
struct customer {
	struct reply reply;
	unsigned calls;
};

static void on_ready(void *owner, const struct held_error *error)
{
	struct customer *c = owner;

	c->calls++;
	if (error)
		c->reply.status = error->status;
}

static void wait_for(struct shop *s, struct customer *c)
{
	cr_assert_null(c->reply.shared);
	cr_assert(held_waits(&c->reply.held));
	holds_add(&s->holds, &c->reply.held, 0, on_ready, c);
}

static void begin(struct shop *s, struct customer *c, char key, unsigned steps, int error)
{
	struct slow *slow = malloc(sizeof(*slow));

	*slow = (struct slow){.left = steps, .frees = &s->frees, .error = error};
	*c = (struct customer){0};
	reply_init(&c->reply);
	cr_assert_eq(body_maker_start(s->maker, &key, 1, 10, &source, slow, &c->reply), 0);
	wait_for(s, c);
}

static void join(struct shop *s, struct customer *c, char key)
{
	*c = (struct customer){0};
	reply_init(&c->reply);
	cr_assert(body_maker_join(s->maker, &key, 1, &c->reply));
	wait_for(s, c);
}

static void turn_until(struct shop *s, const struct customer *c)
{
	while (!c->calls)
		event_base_loop(s->base, EVLOOP_ONCE);
}

/* A slice is 1 ms by the clock.  A busy machine may take that time away: one body of many counts.
 */
Test(body_maker, a_small_body_is_made_at_once)
{
	struct customer c;
	struct slow *slow;
	struct body *cached;
	struct shop s;
	char key = 'a';

	shop_open(&s);
	for (;; key++) {
		slow = malloc(sizeof(*slow));
		*slow = (struct slow){.left = 1, .frees = &s.frees};
		c = (struct customer){0};
		reply_init(&c.reply);
		cr_assert_eq(body_maker_start(s.maker, &key, 1, 10, &source, slow, &c.reply), 0);
		if (!held_waits(&c.reply.held))
			break;
		cr_assert_lt(key, 'z', "none was");
		wait_for(&s, &c);
		turn_until(&s, &c);
		reply_done(&c.reply);
	}
	cr_assert_not_null(c.reply.shared);
	cached = body_cache_get(s.cache, &key, 1, 10);
	cr_assert_eq(cached, c.reply.shared);
	cr_assert_null(body_cache_get(s.cache, &key, 1, 1000), "it ends when the text says so");
	cr_assert_eq(s.frees, (unsigned)(key - 'a' + 1));
	body_unref(cached);
	reply_done(&c.reply);
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
	begin(&s, &c, 'k', 100, 0);
	turn_until(&s, &c);
	cr_expect_geq(t.turns, 100 * STEP_US / MAKE_SLICE_US / 2, "%u turns", t.turns);
	cr_assert_not_null(c.reply.shared);
	cr_expect_eq(c.reply.shared->plain_len,
		     100 * strlen("one step of a text that takes its time\n"));
	cr_expect_not_null(c.reply.shared->gzip);
	reply_done(&c.reply);
	evtimer_del(&t.event);
	shop_close(&s);
}

Test(body_maker, requests_for_the_same_body_wait_for_one_making)
{
	struct customer c[3];
	struct reply none;
	struct shop s;

	shop_open(&s);
	reply_init(&none);
	begin(&s, &c[0], 'k', 20, 0);
	join(&s, &c[1], 'k');
	join(&s, &c[2], 'k');
	cr_assert(!body_maker_join(s.maker, "l", 1, &none));
	held_cancel(&c[1].reply.held);
	turn_until(&s, &c[2]);
	cr_assert(!body_maker_join(s.maker, "k", 1, &none));
	cr_assert_eq(c[0].calls, 1);
	cr_assert_eq(c[1].calls, 0, "a cancelled request is not answered");
	cr_assert_null(c[1].reply.shared);
	cr_assert_eq(c[0].reply.shared, c[2].reply.shared);
	cr_assert_eq(s.frees, 1);
	reply_done(&c[0].reply);
	reply_done(&c[2].reply);
	shop_close(&s);
}

Test(body_maker, a_making_without_waiting_requests_is_dropped)
{
	struct customer c, other;
	struct shop s;

	shop_open(&s);
	begin(&s, &c, 'k', 60, 0);
	begin(&s, &other, 'l', 20, 0);
	held_cancel(&c.reply.held);
	turn_until(&s, &other);
	cr_assert_eq(c.calls, 0);
	cr_assert_eq(s.frees, 2);
	cr_assert_null(body_cache_get(s.cache, "k", 1, 10));
	reply_done(&other.reply);
	begin(&s, &c, 'm', 60, 0);
	held_cancel(&c.reply.held);
	shop_close(&s);
}

Test(body_maker, without_memory_all_who_wait_are_called)
{
	struct customer c;
	struct shop s;

	shop_open(&s);
	begin(&s, &c, 'k', 20, -ENOMEM);
	turn_until(&s, &c);
	cr_assert_null(c.reply.shared);
	cr_assert_eq(c.reply.status, 503);
	reply_done(&c.reply);
	cr_assert_eq(s.frees, 1);
	cr_assert_null(body_cache_get(s.cache, "k", 1, 10));
	shop_close(&s);
}

Test(body_maker, bounds_the_makings)
{
	static struct customer c[BODY_MAKINGS_MAX];
	struct slow *slow = malloc(sizeof(*slow));
	struct reply r;
	struct shop s;

	shop_open(&s);
	reply_init(&r);
	for (unsigned i = 0; i < BODY_MAKINGS_MAX; i++)
		begin(&s, &c[i], 'k', 50, 0);
	*slow = (struct slow){.left = 20, .frees = &s.frees};
	cr_assert_eq(body_maker_start(s.maker, "x", 1, 10, &source, slow, &r), -EBUSY);
	cr_assert(!held_waits(&r.held));
	cr_assert_eq(s.frees, 1);
	for (unsigned i = 0; i < BODY_MAKINGS_MAX; i++)
		held_cancel(&c[i].reply.held);
	shop_close(&s);
}

Test(body_maker, endless_events_of_clients_do_not_starve_it)
{
	struct customer c;
	struct shop s;

	shop_open(&s);
	begin(&s, &c, 'k', 20, 0);
	while (!c.calls)
		body_maker_catch_up(s.maker); /* the loop never has its turn */
	cr_assert_not_null(c.reply.shared);
	reply_done(&c.reply);
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
	begin(&s, &c, 'k', 1, 0);
	for (unsigned i = 0; i < 3; i++)
		event_base_loop(s.base, EVLOOP_ONCE);
	cr_assert_eq(c.calls, 0);
	cr_assert_eq(s.account.bytes, 0);
	s.full = false;
	turn_until(&s, &c);
	cr_assert_eq(s.account.bytes, strlen(line));
	reply_done(&c.reply);
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
