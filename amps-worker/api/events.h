/* events.h - /api/events: server-sent events, from the channel table.
 *
 * The master keeps the last EVENTS_KEPT events there, so that any worker can go on behind the one
 * that a client names in Last-Event-ID.  A client's answer is one that grows (reply->follow): each
 * batch of events is a file, and until the next one the request is held.  One look at the table
 * every 250 ms serves all clients.  A viewer gets the events of channels, of its groups. */
#ifndef AMPS_EVENTS_H
#define AMPS_EVENTS_H

#include "amps-worker/context/context.h"
#include "amps-worker/http/route.h"

struct events {
	struct context *context;
	struct held_list waiting;
	struct reply_load clients; /* those that wait and those that something is being sent to */
	uint64_t last;		   /* event that was there at the last look */
	uint64_t idle_us;
};

/* `context` is borrowed. */
void events_init(struct events *e, struct context *context);

/* Several times a second: continues the answers of clients for whom there is something. */
void events_tick(struct events *e, uint64_t now_us);

/* Answers with the events from now on, or behind `after` (not 0). */
void events_answer(struct events *e, const struct request *q, uint64_t after, struct reply *r);

#endif
