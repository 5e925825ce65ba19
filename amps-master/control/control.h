/* control.h - the Unix control socket: clients, lines, answers.
 *
 * Owned by the master, used in its loop only; no client can block the loop.  The server answers one
 * request of a client at a time and leaves further lines in the socket, so that a client that does
 * not read costs at most the memory of one answer.  A started line must be complete within
 * CONTROL_DEADLINE_MS, an answer must make progress within CONTROL_STALL_MS, and a line over
 * CONTROL_LINE_MAX ends the connection. */
#ifndef AMPS_CONTROL_H
#define AMPS_CONTROL_H

#include <event2/event.h>
#include <jansson.h>
#include "common/base.h"

struct control;

/* A request, to be answered exactly once, now or later.  Never 0, never reused.  If the client has
 * disconnected, the answer is dropped. */
typedef uint64_t control_ticket;

struct control_env {
	struct event_base *base;
	void *owner;
	/* `params` may be NULL; both borrowed for the call.  `file` is a descriptor that the client
	 * sent with the line, -1 = none; taken. */
	void (*request)(void *owner, struct control *c, control_ticket ticket, const char *method,
			const json_t *params, int file);
};

/* Binds and listens (mode 0660); `path` must not exist.  0 or -Exxx. */
must_check int control_open(const struct control_env *env, const char *path, struct control **ret);
struct control *control_close(struct control *c); /* returns NULL; accepts NULL */

/* True if the socket's file was removed or replaced: then no client can connect. */
bool control_lost(const struct control *c);

/* Binds the path again; no file may exist there.  The clients stay connected.  0, or -Exxx and
 * nothing has changed. */
must_check int control_rebind(struct control *c);

/* Answers; `result` is taken (NULL: out of memory), `problems` borrowed and may be NULL. */
void control_answer(struct control *c, control_ticket ticket, json_t *result);
/* Answers with the JSON in a file in memory, which is borrowed; -1: there was no memory. */
void control_answer_file(struct control *c, control_ticket ticket, int fd, uint64_t bytes);
void control_fail(struct control *c, control_ticket ticket, const char *code, const char *message,
		  const json_t *problems);

#endif
