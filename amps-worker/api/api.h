/* api.h - calls to the master on behalf of requests to the API.
 *
 * The master reads, checks and writes; a worker passes a request on and holds its answer
 * (http/held.h) until the master's has come.  The body of a request and of an answer travels as a
 * memfd. */
#ifndef AMPS_API_H
#define AMPS_API_H

#include "amps-worker/api/events.h"
#include "amps-worker/context/context.h"
#include "amps-worker/http/route.h"

struct api {
	struct context *context;
	struct held_list waiting;
	struct reply_load under_way; /* answers that clients have not got whole yet */
	uint64_t last_call;
	struct events events;
};

/* `context` is borrowed. */
void api_init(struct api *a, struct context *context);

/* Sends a call, whose number and body are set here, and lets the reply wait for its answer; or
 * fills the reply with an error. */
void api_call(struct api *a, struct msg_api_call *m, const struct request *q, struct reply *r);

/* The answer to a call, in a file.  One that no request waits for any more is dropped.  0, or
 * -Exxx: it cannot be read. */
must_check int api_on_answer(struct api *a, const struct msg_api_answer *m, int *fd);

#endif
