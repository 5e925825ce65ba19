/* route.h - from a request to its handler, and what every handler gets.
 *
 * A handler is pure but for the body cache, its maker and the wrong tokens noted: request,
 * snapshots and facts in, reply out. */
#ifndef AMPS_ROUTE_H
#define AMPS_ROUTE_H

#include "amps-worker/http/reply.h"
#include "amps-worker/http/request.h"

#define ROUTE_OPEN  1u /* needs no token */
#define ROUTE_MEDIA 2u /* CORS, region and groups decide with 403 */
/* POST, PUT and PATCH have a body of at most HTTP_BODY_MAX, or HTTP_BODY_LIST_MAX, bytes.  Without
 * a flag none is read. */
#define ROUTE_BODY 4u
#define ROUTE_LIST 8u

/* A row of a table of routes.  The first row that matches counts, so longer patterns come first. */
struct route {
	/* "/stream/<id>.ts": "<id>" stands for one or more bytes without a slash; what follows it
	 * up to the next slash must end the segment.  A "*" at the end matches any rest. */
	const char *pattern;
	unsigned methods; /* bit 1u << enum http_method; HEAD follows GET */
	unsigned flags;
	void (*handle)(const struct request *q, struct reply *r);
};

/* How many bytes of this request's body are to be read into http->body before it is dispatched; 0:
 * none, because it will be refused: where a body is taken, its sender is an administrator. */
uint32_t route_body_max(const struct route *routes, const struct http_request *http,
			const struct facts *facts);

/* Sets q->token.  False, and 401, if one is needed that the request does not carry; 429 if too many
 * wrong ones came from its address (wrong_tokens.h). */
bool route_admit(struct request *q, struct reply *r);

/* May the client change the server?  Without authentication every client may. */
bool route_is_admin(const struct request *q);

/* Is CORS on for this path? */
bool route_is_media(const struct route *routes, struct span path);

/* Finds the route in a table that ends with a NULL pattern, checks the method (405 with Allow,
 * OPTIONS answered) and the token (401), and calls the handler.  Always leaves an answer in r. */
void route_dispatch(const struct route *routes, const struct http_request *http,
		    const struct facts *facts, struct reply *r);

#endif
