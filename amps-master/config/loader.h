/* loader.h - the helper process that reads and checks the configuration file.
 *
 * It is `amps-master --load FILE` with a memfd as its descriptor 3, into which it writes
 * what load_command() says. */
#ifndef AMPS_LOADER_H
#define AMPS_LOADER_H

#include <event2/event.h>
#include <sys/types.h>
#include "common/base.h"

/* Starts one; `argv` as for spawn_child().  0, the pid and the memfd (the caller's), or -Exxx. */
must_check int loader_start(const char *const argv[], pid_t *ret_pid, int *ret_fd);

/* Waits for its end while `base` turns; only at the start, when nothing else happens in it.  0 and
 * the wait status, or -Exxx and it was killed: -ETIMEDOUT, -EINTR as soon as *stop is set. */
must_check int loader_wait(struct event_base *base, pid_t pid, unsigned timeout_ms,
			   const bool *stop, int *ret_status);

#endif
