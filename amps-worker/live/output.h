/* output.h - the outputs this worker wants, and the rings that fill them.
 *
 * An output is (channel, form, variant), or one viewer's own of these.  It is wanted from the
 * master when its first viewer comes and released when its last goes.  The master also offers the
 * rings that other workers' viewers watch: an offered output lives without viewers too, with its
 * newest ring, so that the first viewer starts at once, whatever the master does meanwhile.
 * The master answers with rings, one after the other; viewers of an earlier ring drain it and move
 * over (viewer.h), and a mapping is closed when its last viewer has left and a later ring is there.
 * Generations grow but where a reload fills the want from another output.
 *
 *	worker 1-n output 1-n stream_ring 1-n viewer		(viewer.ring set)
 *	              output 1-n viewer				(viewer.ring NULL: waits)
 *
 * A void output (the master said it is gone) takes no more viewers; those who drain keep it. */
#ifndef AMPS_OUTPUT_H
#define AMPS_OUTPUT_H

#include <sys/queue.h>
#include "amps-worker/http/reply.h"
#include "common/msg/msg.h"
#include "common/shm/ring.h"

struct worker;
struct viewer;
TAILQ_HEAD(viewer_list, viewer);

struct stream_ring {
	TAILQ_ENTRY(stream_ring) in_output; /* as they came */
	TAILQ_ENTRY(stream_ring) in_feed;
	struct output *output;
	struct ring map;
	struct viewer_list viewers;
	uint64_t generation;
	bool same_job; /* goes on where the ring before it in the list ended */
	/* the fan-out's account */
	uint64_t due_us;	 /* of the next pass */
	uint64_t hurry_until_us; /* fresh: short passes until then */
	uint64_t cost_us;	 /* of one pass, smoothed */
	uint64_t seen_commit, seen_us;
	uint64_t bytes_per_second; /* smoothed */
};
TAILQ_HEAD(ring_list, stream_ring);

struct output {
	LIST_ENTRY(output) in_bucket;
	struct worker *worker;
	uint32_t want; /* 0 = nobody here watches it */
	uint32_t slot; /* of the channel table, UINT32_MAX = not told yet */
	uint32_t channel;
	enum form form;
	bool offered;	/* lives without viewers */
	bool own;	/* one viewer's alone: nobody joins it */
	bool live;	/* else viewers start with a lead */
	bool gone;	/* the master has voided the want */
	bool ended;	/* ... because the film is over: drain, then end */
	unsigned users; /* viewers, and whoever walks over them */
	struct viewer_list waiting;
	struct ring_list rings;
	char variant[VARIANT_NAME_MAX + 1];
};
LIST_HEAD(output_bucket, output);

#define OUTPUT_BUCKETS 256u

struct outputs {
	struct output_bucket buckets[OUTPUT_BUCKETS];
	uint32_t wants;
};

void outputs_init(struct worker *w);
void outputs_free(struct worker *w); /* what is offered; no viewer may be left */

/* The output for this wish, with one more user; wanted from the master when it is the first one, as
 * one of its own always is.  NULL without memory. */
struct output *output_use(struct worker *w, const struct stream_wish *wish);

/* One user less; the last one releases it. */
void output_unuse(struct output *o);

/* The newest ring, or NULL. */
struct stream_ring *output_ring(const struct output *o);

/* Starts the viewers that wait, if the newest ring has a random access point by now. */
void output_begin_waiting(struct output *o);

/* Closes rings nobody follows any more (all of them but the newest). */
void output_trim(struct output *o);

/* Messages.  0, or -Exxx when the master sent something we cannot use. */
must_check int output_on_ring(struct worker *w, const struct msg_output_ring *m, int fd);
must_check int output_on_offer(struct worker *w, const struct msg_output_offer *m, int fd);
void output_on_offer_end(struct worker *w, uint32_t slot);
void output_on_gone(struct worker *w, const struct msg_output_gone *m);

#endif
