/* out_rings.h - the ring that a job fills for one output, and the larger one that it will move to.
 *
 * Whatever the form: takes the rings that the master orders, sends JOB_MAPPED, JOB_RUNNING and
 * JOB_RING_SMALL, registers rings for heartbeats and measures the bit rate.  The owner writes the
 * bytes, in whole units, and decides where it moves over.  One thread; allocates only in attach. */
#ifndef AMPS_OUT_RINGS_H
#define AMPS_OUT_RINGS_H

#include "amps-transcoder/job/job.h"

struct out_ring {
	struct ring_writer writer; /* header NULL: none */
	uint32_t output;
	uint64_t generation;
	uint64_t base; /* of the output's position at which this ring begins */
	bool running;  /* it has a random access point, and the master knows */
};

struct out_rings {
	struct job *job;  /* borrowed */
	unsigned seconds; /* that a ring should hold; 0: never ask for a larger one */
	struct out_ring ring, next;
	uint64_t pos;	  /* bytes committed since the output began */
	int64_t rate_90k; /* clock at which the measurement began; TIME_NONE */
	uint64_t rate_pos;
	uint64_t bitrate;     /* bits a second of media; 0 = not known yet */
	uint64_t asked_bytes; /* the ring we asked for last */
};

void out_rings_init(struct out_rings *r, struct job *job);
void out_rings_done(struct out_rings *r); /* accepts a zeroed struct */

/* Takes the ring of a JOB_EVENT_OUTPUT: the first is to be written at once, a later one waits as
 * `next`.  0, or -Exxx (the old ring, if any, goes on). */
must_check int out_rings_attach(struct out_rings *r, const struct job_event *event);

static inline bool out_rings_attached(const struct out_rings *r)
{
	return r->ring.writer.header != NULL;
}

/* n reserved bytes of the ring are written. */
void out_rings_commit(struct out_rings *r, size_t n);

/* Writes bytes of a form whose unit is one byte; as many as there are. */
void out_rings_append(struct out_rings *r, const void *bytes, size_t n);

/* From here on bytes go to the next ring. */
void out_rings_move(struct out_rings *r);

/* Adds an access point, whose `pos` is the output's and whose bytes are committed. */
void out_rings_add_rap(struct out_rings *r, struct ring_rap *rap);

/* Measures the bit rate at this time of the media, and asks for a larger ring if this one is too
 * small for it. */
void out_rings_measure(struct out_rings *r, int64_t clock_90k);

/* No byte will follow. */
void out_rings_ended(struct out_rings *r);

#endif
