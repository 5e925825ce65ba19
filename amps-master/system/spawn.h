/* spawn.h - the only fork+exec in the master.
 *
 * Children get /dev/null as stdin, our stdout and stderr, one message socket as MSG_CHILD_FD and
 * nothing else; default signals, an empty signal mask, and PR_SET_PDEATHSIG(SIGKILL) with a check
 * that the parent is still there. */
#ifndef AMPS_SPAWN_H
#define AMPS_SPAWN_H

#include <sys/types.h>
#include "common/base.h"
#include "common/text/buf.h"

/* Starts argv[0] (a path) with `child_fd` as its descriptor 3 (-1: none).  child_fd stays the
 * caller's.  0 and the pid, or -Exxx (exec's own error included). */
must_check int spawn_child(const char *const argv[], int child_fd, pid_t *ret_pid);

/* Runs a filter to its end: feeds `in`, collects stdout (at most 64 MiB), kills it after
 * timeout_ms. For helper processes only: it waits.  0 and the wait status, or -Exxx. */
must_check int spawn_filter(const char *const argv[], const void *in, size_t n, unsigned timeout_ms,
			    struct buf *out, int *ret_status);

#endif
