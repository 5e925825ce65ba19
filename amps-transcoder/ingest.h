/* ingest.h - the job that owns the source connection and fills the plain ring with the whole
 * source, whatever the profile says. */
#ifndef AMPS_INGEST_H
#define AMPS_INGEST_H

#include "amps-transcoder/job.h"

/* Runs the job's source to its end; returns the exit code. */
int ingest_run(struct job *job);

#endif
