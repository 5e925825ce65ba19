/* nursery.h - the process that starts jobs: libraries are loaded and relocated once, each job is a
 * fork().
 *
 * Single-threaded; opens nothing but sockets to its own idle children.  Two of them wait whenever
 * no job was started just now: nursery -> intermediate -> child, the intermediate exits at once, so
 * that the child's parent is the master (a child subreaper) and the nursery may die without its
 * jobs.  The idle child that has waited longest gets a job's socket over a private socketpair and
 * becomes that job; at end of file it exits. */
#ifndef AMPS_NURSERY_H
#define AMPS_NURSERY_H

#include "amps-transcoder/title.h"

/* Serves FORK_JOB on the master's socket until SHUTDOWN or end of file.  Returns the exit code; in
 * a child that became a job, the job's. */
int nursery_main(int master_socket, struct title *title);

#endif
