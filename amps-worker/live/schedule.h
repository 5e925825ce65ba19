/* schedule.h - when the fan-out looks at each ring next, and where its pass stands (feed.h).
 *
 * Each ring in use is due once an interval.  The size of a batch is what a viewer costs, so the
 * interval grows with the load: it is FEED_LOAD times what one pass over all rings takes, at least
 * FEED_INTERVAL_MIN_US, at most FEED_INTERVAL_MAX_US and FEED_BATCH_BYTES at the ring's rate.  An
 * idle worker therefore delivers within 20 ms; a busy one in large batches.  New rings, and rings
 * whose first random access point is awaited, are due more often.
 *
 * A pass is a cursor over lists that may change between and during its slices: the schedule must be
 * told before a viewer or a ring is unlinked. */
#ifndef AMPS_SCHEDULE_H
#define AMPS_SCHEDULE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>
#include "common/shm/ring.h"

#define FEED_INTERVAL_MIN_US 20000u
#define FEED_INTERVAL_MAX_US 250000u
#define FEED_BATCH_BYTES     65536u /* fits a processor's cache while all viewers get it */
#define FEED_LOAD	     20u    /* interval / cost of a pass over all rings */
#define FEED_HURRY_US	     5000u  /* interval of a ring in a hurry */
#define FEED_HURRY_FOR_US    500000u

struct output; /* output.h */
struct viewer; /* viewer.h */
TAILQ_HEAD(viewer_list, viewer);

/* A mapped ring and the viewers that follow it. */
struct stream_ring {
	TAILQ_ENTRY(stream_ring) in_output; /* in the order they came */
	TAILQ_ENTRY(stream_ring) in_schedule;
	struct output *output;
	struct ring map;
	struct viewer_list viewers;
	/* Viewers that wait for this ring's first random access point: the output's list while this
	 * is its newest ring, else NULL. */
	const struct viewer_list *waiting;
	uint64_t generation;
	uint64_t number; /* no other ring of this worker has had it; from 1 */
	bool same_job;	 /* goes on where the ring before it in the list ended */
	/* the schedule's own */
	uint64_t due_us;	 /* of the next pass */
	uint64_t hurry_until_us; /* short intervals until then */
	uint64_t cost_us;	 /* of one pass, smoothed */
	uint64_t seen_commit, seen_us;
	uint64_t bytes_per_second; /* smoothed */
};
TAILQ_HEAD(ring_list, stream_ring);

struct schedule {
	struct event timer; /* of the next pass; feed.c handles it */
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

/* The owner assigns the timer. */
void schedule_init(struct schedule *s);

/* A ring comes into use / is about to be closed. */
void schedule_add_ring(struct schedule *s, struct stream_ring *r);
void schedule_remove_ring(struct schedule *s, struct stream_ring *r);

/* This ring has its first viewer, which has just got what there was. */
void schedule_wake(struct schedule *s, struct stream_ring *r);

/* `v`, which `next` (or NULL) follows in its ring's list, is about to leave it. */
void schedule_viewer_leaves(struct schedule *s, const struct viewer *v, struct viewer *next);

/* Has this ring looked at soon (new, or its viewers may move over). */
void schedule_hurry(struct schedule *s, struct stream_ring *r);

/* Arms the timer for the earliest ring; an unfinished pass goes on at once. */
void schedule_arm(struct schedule *s, uint64_t now);

/* Puts the cursor on the first ring that is due.  */
void schedule_begin_pass(struct schedule *s, uint64_t now);

/* Moves the cursor from its ring, whose pass is complete, to the next due ring. */
void schedule_next_ring(struct schedule *s, uint64_t now);

#endif
