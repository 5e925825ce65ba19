/* nursery.h - the process that starts jobs: libraries loaded and relocated once, then fork().
 *
 * Single-threaded; opens nothing but sockets to its own idle child.  One idle child always waits:
 * nursery -> intermediate -> child, the intermediate exits at once, so that the child's parent is
 * the master (a child subreaper) and the nursery may die without its jobs.  The idle child gets a
 * job's socket over a private socketpair and becomes that job; at end of file it exits. */
#ifndef AMPS_NURSERY_H
#define AMPS_NURSERY_H

#include "common/base.h"

/* The argv area, to be overwritten with a title. */
struct title {
	char *area;
	size_t bytes;
};

/* From main's arguments, before anything keeps pointers into them; moves environ away. */
void title_init(struct title *t, int argc, char **argv);
void title_set(struct title *t, const char *format, ...) printf_like(2, 3);

/* Serves FORK_JOB on the master's socket until SHUTDOWN or end of file.  Returns the exit code; in
 * a child that became a job, the job's. */
int nursery_main(int master_socket, struct title *title);

#endif
