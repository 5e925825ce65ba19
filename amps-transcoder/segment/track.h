/* track.h - the segments of one output: reads the ring of a transport stream, cuts it into files
 * without changing a byte, and publishes each complete one in its index (common/shm/segment.h).
 *
 * Each file begins with the PAT and PMT as they were before its first packet, with counters that
 * its next ones follow.  A gap (another generation of the source's ring, or a reader that was
 * lapped) ends a segment, and the next one is marked as a discontinuity.  What an earlier job left
 * is taken over: its numbers, its files, its target duration. */
#ifndef AMPS_SEGMENT_TRACK_H
#define AMPS_SEGMENT_TRACK_H

#include "amps-transcoder/job/job.h"
#include "amps-transcoder/segment/cuts.h"

struct segment_track;

/* Takes the ring of a JOB_EVENT_OUTPUT as the index; `cuts` is shared by all tracks.  NULL if
 * the output cannot be made; the master has been informed. */
struct segment_track *segment_track_new(struct job *job, struct cuts *cuts,
					const struct job_event *event);

/* `remove`: its files go, too.  Returns NULL; accepts NULL. */
struct segment_track *segment_track_free(struct segment_track *t, bool remove);

uint32_t segment_track_output(const struct segment_track *t);
/* Are its segments published in parts? */
bool segment_track_has_parts(const struct segment_track *t);

/* Takes the ring of a JOB_EVENT_SOURCE_RING. */
void segment_track_source(struct segment_track *t, struct job_event *event);

/* How much of its window it may keep. */
void segment_track_window(struct segment_track *t, unsigned percent);

enum segment_step {
	SEGMENT_IDLE,	/* nothing new */
	SEGMENT_MOVED,	/* there may be more */
	SEGMENT_ENDED,	/* the source is over */
	SEGMENT_FAILED, /* the master was told why; the track cannot be used any more */
};

/* Takes the next bytes of its source. */
enum segment_step segment_track_step(struct segment_track *t);

#endif
