/* derive.h - the two roles that make outputs: derive reads the ring of an ingest, both owns the
 * source as well (DESIGN.md, "The tuner").
 *
 * derive starts at a random access point a moment old, so that encoders fill up from what the ring
 * holds; it outlives its source ring: a later generation continues the same outputs on one
 * timeline.  A reader that was lapped jumps to a newer access point.
 *
 * both is for sources that no transport stream carries: `lavfi` (source = the text of a filter
 * graph), and whatever ingest reported as SOURCE_RAW. */
#ifndef AMPS_DERIVE_H
#define AMPS_DERIVE_H

#include "amps-transcoder/job.h"

/* Run until they are told to end, fail, or (both) the source ends; the exit code of the process. */
int derive_run(struct job *job);
int both_run(struct job *job);

#endif
