/* roles.h - what a job does with its process.
 *
 * ingest owns the source connection and fills the plain ring with the whole source, whatever the
 * profile says.
 *
 * derive reads that ring and makes outputs.  It starts at a random access point a moment old, so
 * that encoders fill up from what the ring holds; it outlives its source ring: a later generation
 * continues the same outputs on one timeline.  A reader that was lapped jumps to a newer access
 * point.
 *
 * both owns the source and makes outputs, for sources that no transport stream carries: `lavfi`
 * (source = the text of a filter graph), and whatever ingest reported as SOURCE_RAW.
 * segment reads the rings of transport streams and writes segments, which are files.
 *
 * slate fills the plain ring while no source works. */
#ifndef AMPS_ROLES_H
#define AMPS_ROLES_H

#include "amps-transcoder/job/job.h"

/* Run until they are told to end, fail, or (ingest, both) the source ends; the exit code of the
 * process. */
int ingest_run(struct job *job);
int derive_run(struct job *job);
int both_run(struct job *job);
int segment_run(struct job *job);
int slate_run(struct job *job);
int watch_run(struct job *job);

/* Opens the source and closes it again: *ret = {"format", "live", "duration_seconds", "streams":
 * [{"index", "type", "codec", ...}]}, the caller's.  The exit code as above. */
int probe_run(struct job *job, json_t **ret);

#endif
