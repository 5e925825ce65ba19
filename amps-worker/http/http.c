#include "amps-worker/http/http.h"

#include <assert.h>
#include "amps-worker/http/body_cache.h"
#include "amps-worker/http/body_maker.h"
#include "common/log/log.h"

/* The answers that are old enough, the slowest first; NULL without memory or candidates. */
static struct conn_holder *slow_answers(const struct conns *all, size_t *ret_count)
{
	struct conn_holder *list = malloc(all->count * sizeof(*list));
	struct conn *c;
	uint64_t rate;
	size_t n = 0;

	TAILQ_FOREACH (c, &all->list, link) {
		assert(n < all->count);
		if (list && conn_answer_rate(c, &rate))
			list[n++] = (struct conn_holder){.conn = c, .order = rate};
	}
	if (!n) {
		free(list);
		return NULL;
	}
	conn_sort_holders(list, n);
	*ret_count = n;
	return list;
}

/* Is there room for one more body?  If not, drops cached bodies that are not being sent, then ends
 * the slowest answers that are older than ANSWER_SHED_MS. */
static bool make_room(void *owner)
{
	struct http *h = owner;
	struct conn_holder *list;
	size_t count = 0, ended = 0;

	if (h->bodies.bytes < h->bodies_max)
		return true;
	body_cache_drop_unused(h->cache);
	list = h->bodies.bytes < h->bodies_max ? NULL : slow_answers(&h->conns, &count);
	/* more than needed, so that the next call does not search again */
	while (ended < count && h->bodies.bytes > h->bodies_max / 4 * 3)
		conn_free(list[ended++].conn);
	free(list);
	if (ended) {
		page_add(&h->conns.context->page->answers_dropped, ended);
		log_warn("answers held %zu MiB of memory, ended the slowest clients=%zu",
			 h->bodies_max >> 20, ended);
	}
	return h->bodies.bytes < h->bodies_max;
}

int http_init(struct http *h, struct context *context, const struct route *routes,
	      const struct conn_hooks *hooks)
{
	struct body_room room = {&h->bodies, make_room, h};

	*h = (struct http){
		.conns = {.context = context,
			  .routes = routes,
			  .access_log = &h->access_log,
			  .hooks = *hooks},
		.bodies_max = BODIES_MAX,
	};
	TAILQ_INIT(&h->conns.list);
	holds_init(&h->conns.holds);
	access_log_init(&h->access_log);
	h->cache = h->conns.cache = body_cache_new(BODY_CACHE_BYTES);
	if (!h->cache)
		return -ENOMEM;
	h->maker = h->conns.maker = body_maker_new(context->base, h->cache, &room);
	if (!h->maker)
		return -ENOMEM;
	return listener_init(&h->listener, &h->conns);
}

void http_done(struct http *h)
{
	struct conn *c;

	if (!h->conns.context)
		return;
	while ((c = TAILQ_FIRST(&h->conns.list)))
		conn_free(c);
	access_log_close(&h->access_log);
	listener_done(&h->listener);
	body_maker_free(h->maker);
	body_cache_free(h->cache);
}
