/* client.h - the control socket seen from the command: one JSON object a line each way.
 *
 * Owned by one command run; blocking with a deadline.  The protocol is described in
 * docs/control.md. */
#ifndef AMPS_CLI_CLIENT_H
#define AMPS_CLI_CLIENT_H

#include <jansson.h>
#include "common/base.h"
#include "common/text/buf.h"

struct client {
	int fd;
	int64_t next_id;
	struct buf in; /* bytes behind the last complete line */
};

/* Where the server listens unless told otherwise: /run/amps/control.sock for root; for others the
 * one under $XDG_RUNTIME_DIR if it is there or the system's is not.  0 or -ENAMETOOLONG. */
must_check int client_default_path(char *dst, size_t cap);

/* Connects to `path` (NULL = the default).  0; -ENOENT or -ECONNREFUSED: no server there; other
 * -Exxx.  client_close() is allowed in any case. */
must_check int client_open(struct client *client, const char *path);
void client_close(struct client *client);

/* Asks one question and waits at most timeout_ms for its answer.  Takes `params` (NULL = none).
 * 0 and exactly one of *ret_result and *ret_error (new references, the other is NULL); -ETIMEDOUT;
 * -EPIPE when the server went away; -EPROTO when it answers anything else; -ENOMEM. */
must_check int client_ask(struct client *client, const char *method, json_t *params,
			  unsigned timeout_ms, json_t **ret_result, json_t **ret_error);

/* The other end's process as a pollable descriptor, readable when it has ended; -Exxx where the
 * kernel cannot say (another pid namespace).  The caller closes it. */
must_check int client_server_pidfd(const struct client *client);

/* What every command does: connects, asks, complains on stderr.  Takes `params` (NULL = none).
 * Returns an enum command_exit; *ret_result is a new reference when that is COMMAND_DONE. */
must_check int client_command(const char *path, const char *method, json_t *params,
			      json_t **ret_result);
/* The same for a request that may take longer than others. */
must_check int client_command_within(const char *path, const char *method, json_t *params,
				     unsigned timeout_ms, json_t **ret_result);

/* Prints why client_open() failed, or that the server went before it answered (-EPIPE); returns the
 * exit code for it. */
must_check int client_complain(const char *path, int error);

/* Prints the server's error object with its problems, if it has any. */
void client_print_error(const json_t *error);

#endif
