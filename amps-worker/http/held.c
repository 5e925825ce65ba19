#include "amps-worker/http/held.h"

#include <assert.h>

void holds_init(struct holds *all)
{
	TAILQ_INIT(&all->list);
	all->next_us = UINT64_MAX;
}

void held_begin(struct held *h, struct reply *r, struct held_list *holder,
		const struct held_rule *rule)
{
	assert(!held_waits(h));
	*h = (struct held){.holder = holder, .rule = rule, .reply = r};
	TAILQ_INSERT_TAIL(holder, h, in_holder);
}

static void enter(struct held_list *list, struct held *h)
{
	h->all = list;
	TAILQ_INSERT_TAIL(list, h, in_all);
}

void holds_add(struct holds *all, struct held *h, uint64_t now_us, held_done *done, void *owner)
{
	assert(held_waits(h) && !h->all);
	h->done = done;
	h->owner = owner;
	h->deadline_us = UINT64_MAX;
	enter(&all->list, h);
	held_shorten(all, h, now_us + h->rule->deadline_ms * 1000);
}

void held_move(struct held *h, struct held_list *to)
{
	assert(held_waits(h));
	TAILQ_REMOVE(h->holder, h, in_holder);
	h->holder = to;
	TAILQ_INSERT_TAIL(to, h, in_holder);
}

void held_cancel(struct held *h)
{
	if (!held_waits(h))
		return;
	TAILQ_REMOVE(h->holder, h, in_holder);
	h->holder = NULL;
	if (h->all)
		TAILQ_REMOVE(h->all, h, in_all);
	h->all = NULL;
}

void held_ready(struct held *h, const struct held_error *error)
{
	assert(held_waits(h) && h->all);
	held_cancel(h);
	h->done(h->owner, error);
}

void held_shorten(struct holds *all, struct held *h, uint64_t until_us)
{
	assert(h->all);
	h->deadline_us = MIN(h->deadline_us, until_us);
	all->next_us = MIN(all->next_us, h->deadline_us);
}

void holds_tick(struct holds *all, uint64_t now_us)
{
	struct held_list late = TAILQ_HEAD_INITIALIZER(late);
	struct held *h, *next;

	if (now_us < all->next_us)
		return;
	all->next_us = UINT64_MAX;
	for (h = TAILQ_FIRST(&all->list); h; h = next) {
		next = TAILQ_NEXT(h, in_all);
		if (h->deadline_us <= now_us && h->rule->waits_until)
			h->deadline_us = h->rule->waits_until(h, now_us);
		if (h->deadline_us > now_us) {
			all->next_us = MIN(all->next_us, h->deadline_us);
			continue;
		}
		TAILQ_REMOVE(&all->list, h, in_all);
		enter(&late, h);
	}
	/* an answer may end other connections, so these are taken one at a time */
	while ((h = TAILQ_FIRST(&late)))
		held_ready(h, &h->rule->late);
}
