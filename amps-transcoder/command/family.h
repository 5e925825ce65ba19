/* family.h - the processes below this one: its children, theirs, and so on.
 *
 * This process must be a child subreaper, so that a process whose parent dies stays below it. */
#ifndef AMPS_FAMILY_H
#define AMPS_FAMILY_H

#include <sys/types.h>
#include "common/base.h"
#include "common/limits.h"

struct family {
	pid_t pids[COMMAND_PROCESSES_MAX];
	size_t count;
	bool more; /* there are more than that */
};

/* Reads them from proc(5).  Processes that start meanwhile may be missing: before the last one is
 * gone, waitpid() reports children. */
void family_read(struct family *f);

/* Sends SIGKILL to all of them. */
void family_kill(void);

#endif
