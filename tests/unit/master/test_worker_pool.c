/* What the pool of workers knows of what was published. */
#include "amps-master/children/worker_pool.h"

#include <event2/event.h>
#include "amps-master/lineup/tokens_build.h"
#include "common/shm/shm.h"
#include "common/shm/tokens.h"
#include "common/text/buf.h"
#include "unit.h"

struct world {
	struct event_base *base;
	struct worker_pool *pool;
};

static void open_world(struct world *x)
{
	x->base = event_base_new();
	cr_assert_not_null(x->base);
	cr_assert_eq(worker_pool_new(&(struct worker_pool_env){.base = x->base}, &x->pool), 0);
}

static void close_world(struct world *x)
{
	worker_pool_free(x->pool);
	event_base_free(x->base);
}

static void publish_tokens(struct world *x, uint64_t generation, const void *bytes, size_t n)
{
	struct publication p = {0};

	for (size_t i = 0; i < SNAPSHOT_KIND_COUNT_; i++)
		p.snapshots[i].fd = -1;
	p.snapshots[SNAPSHOT_TOKENS] = (struct published){
		.generation = generation, .bytes = n, .fd = shm_snapshot("tokens", bytes, n)};
	cr_assert_geq(p.snapshots[SNAPSHOT_TOKENS].fd, 0);
	worker_pool_publish(x->pool, &p);
}

Test(worker_pool, tokens_that_cannot_be_read_are_not_taken_for_none)
{
	_cleanup_(buf_done) struct buf good = BUF_INIT;
	json_auto_t *auth = json_object();
	char token[TOKEN_BYTES_MAX + 1];
	struct world x;

	open_world(&x);
	cr_expect_eq(worker_pool_shared_token(x.pool, token), -EIO, "nothing is published");
	cr_assert_eq(tokens_build(auth, NULL, "watch-it-all", 1, NULL, &good), 0);
	publish_tokens(&x, 1, good.data, good.len);
	cr_expect_eq(worker_pool_shared_token(x.pool, token), 0);
	cr_expect_str_eq(token, "watch-it-all");
	publish_tokens(&x, 2, "damaged", 8);
	cr_expect_null(worker_pool_tokens(x.pool));
	cr_expect_eq(worker_pool_shared_token(x.pool, token), -EIO, "the old ones do not count");
	close_world(&x);
}

Test(worker_pool, without_authentication_there_is_no_token)
{
	_cleanup_(buf_done) struct buf open = BUF_INIT;
	json_auto_t *auth = json_pack("{s:b}", "enabled", 0);
	char token[TOKEN_BYTES_MAX + 1];
	struct world x;

	open_world(&x);
	cr_assert_eq(tokens_build(auth, NULL, NULL, 1, NULL, &open), 0);
	publish_tokens(&x, 1, open.data, open.len);
	cr_expect_eq(worker_pool_shared_token(x.pool, token), -ENOENT);
	close_world(&x);
}
