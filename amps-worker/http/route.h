/* route.h - from a request to its handler, and what every handler gets.
 *
 * A handler is pure but for the body cache and its maker: request, snapshots and facts in, reply
 * out. */
#ifndef AMPS_ROUTE_H
#define AMPS_ROUTE_H

#include <netinet/in.h>
#include "amps-worker/http/reply.h"
#include "common/shm/tokens.h"

struct body_cache; /* body_cache.h: a small LRU of rendered bodies */
struct body_maker; /* body_maker.h: makes large ones */

/* What the worker knows; borrowed for the call. */
struct facts {
	const struct catalog *catalog;
	const struct tokens *tokens;
	const void *chantab;		 /* channel table, mapped */
	const void *const *worker_pages; /* by worker index, NULL = not known yet */
	unsigned worker_count;
	struct body_cache *cache;
	struct body_maker *maker;
	int64_t wall_us;
	uint64_t mono_us;
	struct in6_addr peer; /* client address, IPv4 mapped */
	uint16_t port;	      /* the server listens on it */
	bool draining;	      /* the server is shutting down */
};

struct request {
	const struct http_request *http;
	const struct facts *facts;
	const struct token_entry *token; /* who asks; NULL when auth is off or the route is open */
	struct span segment[4];		 /* path pieces behind the route's prefix, still encoded */
	size_t segments;
};

#define ROUTE_OPEN  1u /* needs no token */
#define ROUTE_MEDIA 2u /* CORS, region and groups decide with 403 */

/* A row of a table of routes.  The first row that matches counts, so longer patterns stand first.
 */
struct route {
	/* "/stream/<id>.ts": "<id>" stands for one or more bytes without a slash; what follows it
	 * up to the next slash must end the segment. */
	const char *pattern;
	unsigned methods; /* bit 1u << enum http_method; HEAD follows GET */
	unsigned flags;
	void (*handle)(const struct request *q, struct reply *r);
};

/* Finds the route in a table that ends with a NULL pattern, checks the method (405 with Allow,
 * OPTIONS answered) and the token (401), and calls the handler.  Always leaves an answer in r. */
void route_dispatch(const struct route *routes, const struct http_request *http,
		    const struct facts *facts, struct reply *r);

#endif
