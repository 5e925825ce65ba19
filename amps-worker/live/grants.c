#include "amps-worker/live/grants.h"

#include <assert.h>

static struct grant_list *bucket_of(struct grants *all, uint64_t serial)
{
	return &all->buckets[serial % GRANT_BUCKETS];
}

void grants_init(struct grants *all, struct context *context)
{
	*all = (struct grants){.context = context};
	for (unsigned i = 0; i < GRANT_BUCKETS; i++)
		LIST_INIT(&all->buckets[i]);
}

static void set_state(struct grant *g, enum grant_state state)
{
	assert(state != g->state && (state != GRANT_GIVEN || g->state == GRANT_ASKED));
	if (state == GRANT_ASKED)
		LIST_INSERT_HEAD(bucket_of(g->all, g->serial), g, in_bucket);
	if (state == GRANT_NONE)
		LIST_REMOVE(g, in_bucket);
	g->state = state;
}

void grant_ask(struct grant *g, struct grants *all, uint64_t serial, uint64_t token,
	       void (*answered)(void *owner, bool given), void *owner)
{
	assert(g->state == GRANT_NONE && serial != 0 && token != 0);
	g->all = all;
	g->serial = serial;
	g->answered = answered;
	g->owner = owner;
	set_state(g, GRANT_ASKED);
	peer_send_grant_ask(all->context->master,
			    &(struct msg_grant_ask){.serial = serial, .token = token}, NULL);
}

void grant_end(struct grant *g)
{
	if (g->state == GRANT_NONE)
		return;
	/* one that is asked for may be given while this is on its way */
	peer_send_grant_end(g->all->context->master, &(struct msg_grant_end){.serial = g->serial},
			    NULL);
	set_state(g, GRANT_NONE);
}

void grants_on_answer(struct grants *all, const struct msg_grant *m)
{
	struct grant *g;

	LIST_FOREACH (g, bucket_of(all, m->serial), in_bucket) {
		if (g->serial == m->serial && g->state == GRANT_ASKED)
			break;
	}
	if (!g)
		return;
	set_state(g, m->given ? GRANT_GIVEN : GRANT_NONE);
	g->answered(g->owner, m->given);
}
