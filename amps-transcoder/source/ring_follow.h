/* ring_follow.h - a job that reads another job's ring, whatever its form: where to start, what is
 * new, when it was lapped, and the move to a larger ring of the same job.  Does not use libav.
 *
 *	take() a ring > ready()? > start() > copy() ... > lapped or complete, or another ring */
#ifndef AMPS_RING_FOLLOW_H
#define AMPS_RING_FOLLOW_H

#include "amps-transcoder/job/job.h"
#include "common/shm/ring.h"

struct ring_follow {
	struct ring ring, larger; /* larger: to move to once ring is read to its end */
	int fd, larger_fd;	  /* of them; -1 = none */
	bool has_ring, has_larger;
	bool started;
	uint64_t pos;	   /* of the next byte */
	uint64_t from_pos; /* of `ring`: start no earlier; 0 = anywhere */
	uint64_t age_us;   /* least age of the access point to start at */
};

void ring_follow_init(struct ring_follow *f, uint64_t age_us);
void ring_follow_done(struct ring_follow *f);

/* Takes the ring of a JOB_EVENT_SOURCE_RING, and its descriptor out of the event.  0 (`*ret_again`:
 * start again) or -Exxx. */
must_check int ring_follow_take(struct ring_follow *f, struct job_event *event, bool *ret_again);

/* True when there is a place to start from. */
bool ring_follow_ready(struct ring_follow *f);

/* True if there will be none: the ring is complete and has no access point from from_pos on. */
bool ring_follow_over(const struct ring_follow *f);

/* Starts at an access point, whose intro the caller reads first.  False if there is none yet. */
bool ring_follow_start(struct ring_follow *f, struct ring_rap *ret_rap);
void ring_follow_stop(struct ring_follow *f);

/* The next bytes, whole units, also from a larger ring that goes on where this one stopped.  > 0, 0
 * (nothing new), -ESTALE (lapped: start again), -ENODATA (the ring is complete and read). */
must_check ssize_t ring_follow_copy(struct ring_follow *f, void *dst, size_t cap);

#endif
