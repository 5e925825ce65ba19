/* output.h - what a tuner makes for viewers in one form, and the rings that hold it.  Private to
 * the files of tuner.h, which owns outputs and wants; the functions are in tuner_output.c. */
#ifndef AMPS_OUTPUT_H
#define AMPS_OUTPUT_H

#include "amps-master/lineup/lineup.h"
#include "common/msg/msg.h"
#include "common/shm/form.h"
#include "common/shm/ring.h"

struct job;
struct tuner;

/* A worker's request for an output; ends with the worker, with RELEASE or with OUTPUT_GONE. */
struct want {
	struct want *next;
	struct output *output;
	unsigned worker;
	uint32_t id; /* chosen by the worker */
	struct output_id asked;
};

/* One generation of an output's ring, as the master holds it. */
struct output_ring {
	int fd; /* -1: none */
	uint64_t generation;
	uint64_t data_bytes;
	bool same_job;	 /* follows an earlier ring of the same job without a break */
	struct ring map; /* for frontier, heartbeat, rates; once the job has mapped and we sealed */
};

struct output {
	struct output *next;
	struct tuner *tuner;
	struct output_id id;		 /* its variant is the one it is made as */
	bool source;			 /* the ingest's own ring: every plain output is this one */
	const struct lineup_output *def; /* NULL for the source; re-pointed with each line-up */
	struct output *reads;		 /* the transport stream of which it is made, which stays as
					    long as it does; NULL: it is made of the source */
	unsigned slot;			 /* of the channel table */
	unsigned place;			 /* of sound in CMAF: see struct segment_media */
	struct output_ring current;	 /* what workers read */
	struct output_ring next_ring;	 /* what its job fills but no worker reads yet */
	struct output_ring ordered;	 /* being made by the ring pool; generation 0 = none */
	bool offered;			 /* to workers */
	struct output_id asked;		 /* by the newest want */
	bool ended;
	unsigned wants, readers;
	uint64_t idle_since_us;			 /* 0 while wanted */
	uint64_t rate_commit, rate_us, rate_bps; /* bitrate of what is written */
};

/* Is it wanted or read? */
static inline bool output_used(const struct output *o)
{
	return o->wants || o->readers;
}
/* Its viewers, and those of what is made of it, get the reason; it is not filled any more. */
void output_fail(struct output *o, unsigned status, const char *text);
/* A ring for an output that has none, if its job runs already.  0 or -Exxx. */
must_check int output_fill(struct output *o);
/* Finds or makes what `o` reads; it may be another since the line-up has changed.  0 or -Exxx. */
must_check int output_follow_source(struct output *o);
void output_ring_drop(struct output_ring *r);
/* Seals and maps a ring that its job has mapped.  0 or why it cannot be trusted. */
must_check int output_ring_open(const struct output *o, struct output_ring *r);
/* The next ring will not be filled. */
void output_drop_next(struct output *o);
/* The output that fills wants of this definition and track, made if it is missing; `def` NULL: the
 * source's.  NULL: no memory, or the tuner has TUNER_OUTPUTS_MAX, or the variant
 * SEGMENT_SOUNDS_MAX of this track's kind. */
struct output *output_get(struct tuner *t, const struct lineup_output *def, const char *track);
/* The same; one that has ended and is not used is replaced. */
struct output *output_renew(struct tuner *t, const struct lineup_output *def, const char *track);
/* NULL if there is none. */
struct output *output_find(struct tuner *t, const struct lineup_output *def, const char *track);
struct output *output_source(const struct tuner *t);
/* Offers the ring that workers read to one worker (-1: to all), for each variant it is wanted as;
 * or withdraws the offer. */
void output_offer(struct output *o, int worker);
void output_offer_end(struct output *o);
void output_free(struct output *o); /* unlinks; no want and no reader may be left */
void outputs_free(struct tuner *t); /* all of them */
/* Frees a derived output like output_free(), and tells the job that fills it to stop. */
void output_switch_off(struct output *o);
/* How large a ring begins. */
uint64_t output_ring_bytes(const struct output *o);
/* Makes the next ring (a large one off the loop) and gives it to the job.  0 or -Exxx. */
must_check int output_give_ring(struct output *o, struct job *j, uint64_t bytes, bool same_job);
/* The ring pool has made (or failed to make) the ring that was ordered.  Takes fd. */
void output_on_ordered(struct output *o, uint64_t generation, int fd);
/* The job's report about the ring of this generation. 0, -ESTALE (not the one it has now),
 * -EBADMSG, or why the ring cannot be trusted. */
must_check int output_on_mapped(struct output *o, uint64_t generation);
must_check int output_on_running(struct output *o, uint64_t generation);
/* Is the ring of this generation one that its job fills? */
bool output_has_ring(const struct output *o, uint64_t generation);
void output_publish(struct output *o);
void output_gone(struct output *o, enum gone_reason reason, unsigned status, const char *text);
/* Its ring, if it has one; `follows`: the want reads the ring before it. */
void output_send_ring(struct output *o, const struct want *w, bool follows);
void output_measure(struct output *o, uint64_t now_us);
int64_t output_frontier_90k(const struct output *o);

#endif
