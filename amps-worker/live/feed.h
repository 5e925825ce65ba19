/* feed.h - the fan-out: one timer a worker that brings what is new in the rings to their viewers.
 *
 * Each ring in use is due once an interval; a pass goes over the viewers of all rings that are due,
 * in slices of FEED_SLICE_US, with the loop's other work in between.  The size of a batch is what a
 * viewer costs, so the interval grows with the load: it is FEED_LOAD times what one pass over all
 * rings takes, at least FEED_INTERVAL_MIN_US, at most FEED_INTERVAL_MAX_US and FEED_BATCH_BYTES at
 * the ring's rate.  An idle worker therefore delivers within 20 ms; a busy one in large batches.
 * Rings that have just come, or that somebody waits at for a first random access point, are due
 * more often.
 *
 * The pass is a cursor over lists that may change between and during slices: whoever unlinks a
 * viewer or a ring tells the feed first. */
#ifndef AMPS_FEED_H
#define AMPS_FEED_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include "amps-worker/live/output.h"

#define FEED_SLICE_US	     2000u
#define FEED_INTERVAL_MIN_US 20000u
#define FEED_INTERVAL_MAX_US 250000u
#define FEED_BATCH_BYTES     65536u /* what stays in a processor's cache while all viewers get it */
#define FEED_LOAD	     20u    /* interval / cost of a pass over all rings */
#define FEED_HURRY_US	     5000u  /* interval of a ring in a hurry */
#define FEED_HURRY_FOR_US    500000u
#define FEED_STARVED_US	     5000u /* an unfinished pass left alone for so long goes first */

struct worker;

struct feed {
	struct event timer;
	struct ring_list rings;
	/* the pass under way; ring NULL = none */
	struct stream_ring *ring;
	struct viewer *next;
	uint64_t pass_us;      /* when it began */
	uint64_t spent_us;     /* on the ring at the cursor */
	uint64_t slice_end_us; /* of the last slice */
	uint64_t due_us;       /* of the earliest ring; UINT64_MAX = no ring in use */
	uint64_t interval_us;  /* from the load */
};

void feed_init(struct worker *w);
void feed_done(struct worker *w);

/* A ring comes into use / is about to be closed. */
void feed_add_ring(struct worker *w, struct stream_ring *r);
void feed_remove_ring(struct worker *w, struct stream_ring *r);

/* A viewer has joined this ring. */
void feed_viewer_comes(struct worker *w, struct stream_ring *r);

/* This viewer is about to leave its ring's list. */
void feed_viewer_leaves(struct worker *w, const struct viewer *v);

/* Has this ring looked at soon (new, or its viewers may move over). */
void feed_hurry(struct worker *w, struct stream_ring *r);

/* To be called from events of higher priority: runs a slice when the pass has been starved. */
void feed_catch_up(struct worker *w);

#endif
