/* worker_grants.c - the pool of workers: who of the viewers of limited tokens may begin. */
#include <assert.h>
#include "amps-master/children/worker_pool_state.h"
#include "common/clock.h"
#include "common/shm/tokens.h"
#include "common/shm/worker_page.h"

/* How many viewers the token may have at a time; 0: there is no such token any more. */
static uint32_t most_viewers(const struct worker_pool *pool, uint64_t token)
{
	const struct tokens *t = tokens_of(pool->tokens);
	const struct token_entry *e = t ? tokens_by_name(t, token, clock_wall_us()) : NULL;

	if (e && e->max_viewers == 0)
		return UINT32_MAX; /* a reload has lifted the limit */
	return e ? e->max_viewers : 0;
}

void worker_grants_decide(struct worker_pool *pool)
{
	const struct served_wait tokens = {.generations[SNAPSHOT_TOKENS] =
						   pool->snapshots[SNAPSHOT_TOKENS].generation};
	const void *pages[WORKERS_MAX];
	struct grant_question ask;

	if (!grants_next(&pool->grants, &ask) || !worker_pool_all_serve(pool, &tokens))
		return;
	assert(pool->env.count <= WORKERS_MAX);
	for (unsigned i = 0; i < pool->env.count; i++)
		pages[i] = pool->slots[i].page;
	while (grants_next(&pool->grants, &ask)) {
		struct worker_slot *s = &pool->slots[ask.serial >> VIEWER_SERIAL_SHIFT];
		struct grant_limit limit = {most_viewers(pool, ask.token),
					    tokens.generations[SNAPSHOT_TOKENS]};
		bool given = grants_decide(&pool->grants, limit, pages, pool->env.count);

		assert(s->index < pool->env.count);
		if (s->peer)
			peer_send_grant(s->peer,
					&(struct msg_grant){.serial = ask.serial, .given = given},
					NULL);
	}
}

int worker_grants_on_ask(struct worker_slot *s, const struct msg *m)
{
	struct worker_pool *pool = s->pool;
	struct msg_grant_ask ask;
	int r;

	if (s->state != SLOT_READY || msg_decode_grant_ask(m->bytes, m->len, &ask) != 0 ||
	    ask.serial >> VIEWER_SERIAL_SHIFT != s->index ||
	    pool->grants.count >= (size_t)pool->env.count * WORKER_VIEWERS_MAX)
		return -EBADMSG;
	r = grants_ask(&pool->grants, ask.serial, ask.token);
	if (r == -EEXIST)
		return -EBADMSG;
	if (r < 0)
		peer_send_grant(s->peer, &(struct msg_grant){.serial = ask.serial}, NULL);
	worker_grants_decide(pool);
	return 0;
}

int worker_grants_on_end(struct worker_slot *s, const struct msg *m)
{
	struct msg_grant_end end;

	if (s->state != SLOT_READY || msg_decode_grant_end(m->bytes, m->len, &end) != 0 ||
	    end.serial >> VIEWER_SERIAL_SHIFT != s->index)
		return -EBADMSG;
	grants_end(&s->pool->grants, end.serial);
	return 0;
}
