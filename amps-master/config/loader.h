/* loader.h - the helper process that reads and checks the configuration file.
 *
 * It is `amps-master --load FILE` with a memfd as its descriptor 3, into which load_command()
 * writes the result. */
#ifndef AMPS_LOADER_H
#define AMPS_LOADER_H

#include <event2/event.h>
#include <sys/types.h>
#include "common/base.h"

/* Starts it; `argv` as for spawn_child().  0, the pid and the memfd (owned by the caller), or
 * -Exxx. */
must_check int loader_start(const char *const argv[], pid_t *ret_pid, int *ret_fd);

/* Runs `base` until the loader exits; only for the start, before `base` has other work.  0 and the
 * wait status, or -Exxx after killing the loader: -ETIMEDOUT, or -EINTR as soon as *stop is set. */
must_check int loader_wait(struct event_base *base, pid_t pid, unsigned timeout_ms,
			   const bool *stop, int *ret_status);

#endif
