/* held.h - requests whose answer has to wait.
 *
 * A handler that cannot answer yet puts its reply into the list of a holder, which knows what the
 * answer waits for: a body being made, a message, a later state.  The connection lets it wait.  It
 * ends in one of three ways:
 *
 *	held_ready()   the holder has completed the reply, or has an error instead
 *	held_cancel()  the connection ends
 *	holds_tick()   the deadline has passed: answers with the error of the rule
 *
 * A held request has no timer.  It stays in the holder's list until it ends, so an empty list says
 * that no request waits.  Its bytes are not kept: a holder keeps what it needs of the request. */
#ifndef AMPS_HELD_H
#define AMPS_HELD_H

#include <sys/queue.h>
#include "common/base.h"

struct reply;
TAILQ_HEAD(held_list, held);

/* An answer instead of the reply.  Static. */
struct held_error {
	int status;
	const char *text;
};

/* How long a request may wait, and the answer of one that waited too long.  Static. */
struct held_rule {
	uint64_t deadline_ms;
	struct held_error late;
	/* A request that is late may wait until this time; 0: it may not.  NULL: none may. */
	uint64_t (*waits_until)(const struct held *h, uint64_t now_us);
};

/* The connection's: the reply is complete, or `error` (NULL = none) takes its place.  May free the
 * reply. */
typedef void held_done(void *owner, const struct held_error *error);

/* Embedded in its reply; zeroed while the reply is not held. */
struct held {
	TAILQ_ENTRY(held) in_holder, in_all;
	struct held_list *holder; /* NULL = not held */
	struct held_list *all;	  /* NULL before holds_add() */
	const struct held_rule *rule;
	struct reply *reply;
	held_done *done;
	void *owner;
	uint64_t deadline_us;
};

/* The held requests of a worker. */
struct holds {
	struct held_list list;
	uint64_t next_us; /* no deadline is earlier */
};

void holds_init(struct holds *all);

/* For handlers: this reply waits in the holder's list. */
void held_begin(struct held *h, struct reply *r, struct held_list *holder,
		const struct held_rule *rule);

/* For connections: `done` is called once, unless the request is cancelled. */
void holds_add(struct holds *all, struct held *h, uint64_t now_us, held_done *done, void *owner);

/* For holders, from any of their callbacks: the reply is complete, or fails.  The connection may be
 * freed, and its next request may be held in the same list. */
void held_ready(struct held *h, const struct held_error *error);

/* For holders: goes on waiting at the end of this list. */
void held_move(struct held *h, struct held_list *to);

/* Leaves all lists without an answer; does nothing if the reply is not held. */
void held_cancel(struct held *h);

/* The request waits until this time at the most. */
void held_shorten(struct holds *all, struct held *h, uint64_t until_us);

/* Several times a second: answers those whose deadline has passed. */
void holds_tick(struct holds *all, uint64_t now_us);

static inline bool held_waits(const struct held *h)
{
	return h->holder != NULL;
}

#endif
