/* job_run.h - the whole life of a job process: orders, sandbox, role. */
#ifndef AMPS_JOB_RUN_H
#define AMPS_JOB_RUN_H

#include "amps-transcoder/title.h"

/* Runs the job on `socket` (taken); `title` becomes "amps-transcoder KEY".  Returns the exit code.
 */
int job_run(int socket, struct title *title);

#endif
