/* http.h - the HTTP side of a worker: what its parts share, from listening sockets to the access
 * log.
 *
 * It has no routes of its own and answers bytes or streams only: worker.c gives it the table of
 * routes, and live/ sends the streams. */
#ifndef AMPS_HTTP_H
#define AMPS_HTTP_H

#include "amps-worker/http/access_log.h"
#include "amps-worker/http/conn.h"
#include "amps-worker/http/listener.h"

struct http {
	struct conns conns;
	struct listener listener;
	struct access_log access_log;
	/* A client that reads slowly holds its answer's body as long as it likes.  Above the bound,
	 * the slowest readers are ended first. */
	struct body_account bodies; /* those that live: cached, being sent, or both */
	size_t bodies_max;	    /* BODIES_MAX; tests set less */
	struct body_cache *cache;
	struct body_maker *maker;
};

/* `context` and `routes` are borrowed.  0 or -Exxx; http_done() is needed either way. */
must_check int http_init(struct http *h, struct context *context, const struct route *routes,
			 const struct conn_hooks *hooks);
void http_done(struct http *h); /* ends all connections */

#endif
