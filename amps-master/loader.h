/* loader.h - the helper process that reads and checks the configuration file.
 *
 * It is `amps-master --load FILE` with a memfd as its descriptor 3, into which it writes
 * {"problems":[...],"model":{...}} (no model = refused). */
#ifndef AMPS_LOADER_H
#define AMPS_LOADER_H

#include <sys/types.h>
#include "common/base.h"

/* Starts one; `argv` as for spawn_child().  0, the pid and the memfd (the caller's), or -Exxx. */
must_check int loader_start(const char *const argv[], pid_t *ret_pid, int *ret_fd);

/* Waits for its end; only before the loop runs.  0 and the wait status, or -ETIMEDOUT (killed). */
must_check int loader_wait(pid_t pid, unsigned timeout_ms, int *ret_status);

#endif
