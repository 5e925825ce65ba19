/* client.h - the command's end of the control socket: one JSON object per line in each direction.
 *
 * Owned by one run of a command; blocks with a deadline.  docs/control.md has the protocol. */
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

/* The default socket: /run/amps/control.sock; for users other than root the one under
 * $XDG_RUNTIME_DIR, if it exists or the system's does not.  0 or -ENAMETOOLONG. */
must_check int client_default_path(char *dst, size_t cap);

/* Connects to `path` (NULL = the default).  0; -ENOENT or -ECONNREFUSED: no server there; other
 * -Exxx.  client_close() is allowed in any case. */
must_check int client_open(struct client *client, const char *path);
void client_close(struct client *client);

/* Sends one request, with a file beside it (-1 = none), and waits at most timeout_ms for its
 * answer. Takes `params` (NULL = none). 0 and exactly one of *ret_result and *ret_error (new
 * references, the other is NULL); -ETIMEDOUT; -EPIPE when the server went away; -EPROTO when it
 * answers anything else; -ENOMEM. */
must_check int client_ask(struct client *client, const char *method, json_t *params, int fd,
			  unsigned timeout_ms, json_t **ret_result, json_t **ret_error);

/* The server's process as a pollable descriptor, readable when it has ended; -Exxx if the kernel
 * does not know it (another pid namespace).  The caller closes it. */
must_check int client_server_pidfd(const struct client *client);

/* Connects and asks; prints errors to stderr.  Takes `params` (NULL = none).  Returns an enum
 * command_exit.  *ret_result must be NULL before; it is a new reference if that is COMMAND_DONE. */
must_check int client_command(const char *path, const char *method, json_t *params,
			      json_t **ret_result);
/* The same for a request that may take longer than others. */
must_check int client_command_within(const char *path, const char *method, json_t *params,
				     unsigned timeout_ms, json_t **ret_result);

/* The same with a file for the server. */
must_check int client_command_file(const char *path, const char *method, json_t *params, int fd,
				   unsigned timeout_ms, json_t **ret_result);

/* Prints why client_open() failed, or that the server ended before it answered (-EPIPE); returns
 * the exit code for it. */
must_check int client_print_failure(const char *path, int error);

/* Prints the server's error object with its problems, if it has any. */
void client_print_error(const json_t *error);

#endif
