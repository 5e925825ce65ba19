/* request.h - what a handler is given: the request, and what the worker knows at this moment. */
#ifndef AMPS_REQUEST_H
#define AMPS_REQUEST_H

#include <netinet/in.h>
#include "amps-worker/http/parse.h"
#include "common/shm/catalog.h"
#include "common/shm/geoip.h"
#include "common/shm/guide.h"
#include "common/shm/tokens.h"

struct body_cache; /* body_cache.h: a small LRU of rendered bodies */
struct body_maker; /* body_maker.h: makes large ones */
struct segments;   /* segments/segments.h */
struct worker_page;
struct api; /* api/api.h: calls to the master */

/* Borrowed for the call. */
struct facts {
	const struct catalog *catalog;
	const struct tokens *tokens;
	const struct guide *guide;	 /* NULL = there is none */
	const struct geoip *geoip;	 /* likewise */
	const void *chantab;		 /* channel table, mapped */
	struct worker_page *page;	 /* our own; NULL = not known yet */
	const void *const *worker_pages; /* by worker index, NULL = not known yet */
	unsigned worker_count;
	struct body_cache *cache;
	struct body_maker *maker;
	struct segments *segments;
	const uint8_t *link_key; /* of signed links; NULL: none is valid */
	struct api *api;	 /* NULL: there is no master to ask */
	int64_t wall_us;
	uint64_t mono_us;
	int64_t lineup_s;     /* the second after the last change of what lists show */
	struct in6_addr peer; /* client address, IPv4 mapped */
	uint16_t port;	      /* the server listens on it */
	uint16_t rtsp_port;   /* likewise; 0 = RTSP is off */
	bool draining;	      /* the server is shutting down */
};

struct request {
	const struct http_request *http;
	const struct facts *facts;
	const struct token_entry *token; /* NULL when auth is off or the route is open */
	/* Of a signed link: until when it holds, 0 = it came without one; its region, "" = none. */
	int64_t until_wall_us;
	char region[3];
	bool bound;		/* likewise: it is for the client's address alone */
	struct span segment[4]; /* parts of the path that "<id>" stands for, still encoded */
	size_t segments;
};

#endif
