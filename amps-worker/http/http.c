/* http.c - see http.h */
#include "amps-worker/http/http.h"

#include "amps-worker/http/body_cache.h"
#include "amps-worker/http/body_maker.h"

static bool make_room(void *owner)
{
	return memory_make_room(owner);
}

int http_init(struct http *h, struct context *context, const struct route *routes,
	      const struct conn_hooks *hooks)
{
	struct body_room room = {&h->memory.bodies, make_room, &h->memory};

	*h = (struct http){
		.conns = {.context = context,
			  .routes = routes,
			  .access_log = &h->access_log,
			  .hooks = *hooks},
		.memory = {.conns = &h->conns, .bodies_max = BODIES_MAX},
	};
	TAILQ_INIT(&h->conns.list);
	access_log_init(&h->access_log);
	h->cache = h->conns.cache = h->memory.cache = body_cache_new(BODY_CACHE_BYTES);
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
