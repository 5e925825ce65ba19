/* control.h - the Unix control socket: clients, lines, answers.
 *
 * Owned by the master, used in its loop only; nothing a client sends or fails to read stalls it.  A
 * client has one request at work; its further lines wait in its socket, so that what it does not
 * read costs at most one answer's memory.  A started line must be complete within
 * CONTROL_DEADLINE_MS, an answer must move within CONTROL_STALL_MS, a line over CONTROL_LINE_MAX
 * ends the connection. */
#ifndef AMPS_CONTROL_H
#define AMPS_CONTROL_H

#include <event2/event.h>
#include <jansson.h>
#include "common/base.h"

struct control;

/* A request at work, to be answered exactly once, now or later.  Never reused; a ticket whose
 * client has gone is answered into nothing. */
typedef uint64_t control_ticket;

struct control_env {
	struct event_base *base;
	void *owner;
	/* `params` may be NULL; both borrowed for the call. */
	void (*request)(void *owner, struct control *c, control_ticket ticket, const char *method,
			const json_t *params);
};

/* Binds and listens (mode 0660); `path` must not exist.  0 or -Exxx. */
must_check int control_open(const struct control_env *env, const char *path, struct control **ret);
struct control *control_close(struct control *c); /* returns NULL; accepts NULL */

/* Is another file, or none, at the path by now?  Then no client can connect. */
bool control_lost(const struct control *c);

/* Binds the path again, which must not exist; the clients stay.  0, or -Exxx and nothing has
 * changed. */
must_check int control_rebind(struct control *c);

/* Answers; `result` is taken (NULL: out of memory), `problems` borrowed and may be NULL. */
void control_answer(struct control *c, control_ticket ticket, json_t *result);
void control_fail(struct control *c, control_ticket ticket, const char *code, const char *message,
		  const json_t *problems);

#endif
