/* memory.h - bounds the memory of rendered answers.
 *
 * A client that reads slowly holds its answer for as long as it likes.  Above the bound, memory is
 * taken back from the slowest readers first. */
#ifndef AMPS_MEMORY_H
#define AMPS_MEMORY_H

#include "amps-worker/http/body.h"

struct body_cache;
struct conn;
struct conns;

struct memory {
	struct conns *conns;	    /* borrowed */
	struct body_cache *cache;   /* borrowed */
	struct body_account bodies; /* those that live: cached, being sent, or both */
	size_t bodies_max;	    /* BODIES_MAX; tests set less */
};

/* Is there room for one more body?  If not, drops cached bodies that are not being sent, then ends
 * the slowest answers that are older than ANSWER_SHED_MS.  May free connections in SEND, no others.
 */
bool memory_make_room(struct memory *m);

/* A connection that may be ended for its memory. */
struct memory_holder {
	struct conn *conn;
	size_t bytes;
	uint64_t order; /* the lowest goes first */
};

void memory_sort(struct memory_holder *list, size_t count);

#endif
