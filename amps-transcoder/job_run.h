/* job_run.h - the whole life of a job process: orders, sandbox, role; and a probe of a source.
 */
#ifndef AMPS_JOB_RUN_H
#define AMPS_JOB_RUN_H

#include "amps-transcoder/title.h"

/* Runs the job on `socket` (taken); `title` becomes "amps-transcoder KEY".  Returns the exit code.
 */
int job_run(int socket, struct title *title);

/* `amps-transcoder --probe`: the spec of an ingest job on stdin; on stdout what its source is
 * (probe_run()), or {"status": of HTTP, "error": why}.  It runs in a process of its own and gives
 * up the rights that the job would.  Returns the exit code: 0, or 1 without an answer. */
int job_probe(void);

#endif
