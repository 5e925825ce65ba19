/* output.h - the outputs this worker wants, and the rings that fill them.
 *
 * An output is identified by form.h's output_id, or is one that a single viewer has for itself. The
 *worker wants it from the master when its first viewer comes and releases it when its last one
 *goes.  The master answers with rings, one after the other; viewers of an earlier ring drain it and
 *move over (viewer.h), and a ring is unmapped when its last viewer has left and a later ring is
 *there. Generations grow, except if a reload fills the want from another output.
 *
 * The master also offers the rings that viewers of other workers watch: an offered output lives
 * without viewers too, with its newest ring, so that its first viewer starts at once, whatever the
 * master does meanwhile.
 *
 *	worker 1-n output 1-n stream_ring 1-n viewer		(viewer.ring set)
 *	              output 1-n viewer				(viewer.ring NULL: waits)
 *
 * An output that the master said is gone accepts no new viewers; those that still drain keep it.
 *
 * Users that are no viewers, such as playlists, read its newest ring when they like and learn of
 * changes through a watch. */
#ifndef AMPS_OUTPUT_H
#define AMPS_OUTPUT_H

#include <netinet/in.h>
#include <sys/queue.h>
#include "amps-worker/live/schedule.h"
#include "common/msg/msg.h"
#include "common/shm/form.h"

struct context;

/* Parameters of /stream that concern the viewer alone, not the output that it shares. */
struct viewer_options {
	uint32_t join_ms; /* least age of the access point that it starts at */
};

enum stream_protocol { STREAM_HTTP, STREAM_WEBSOCKET, STREAM_RTSP };

/* What a viewer asked for: an output, and how it is to be served. */
struct stream_params {
	struct output_id id;
	bool own;		/* from a tuner of its own (overlap=true) */
	uint64_t address;	/* of the client, as the master counts such tuners; else 0 */
	struct in6_addr client; /* of the viewer: behind a trusted proxy, what that forwards for */
	bool limited;		/* the token is an entry of auth.tokens */
	bool counted;		/* it has max_viewers: the master decides who may begin */
	uint64_t token;		/* tokens_name(), 0 = no token */
	char region[3];		/* of the viewer, "" = not known */
	bool located;		/* ... as access_region() says */
	int64_t until_wall_us;	/* when its signed link expires; 0 = it came without one */
	enum stream_protocol protocol;
	bool titles; /* among the sound; see icy.h */
	struct viewer_options options;
};

/* Of the answer that a stream begins with. */
static inline int stream_status(const struct stream_params *p)
{
	return p->protocol == STREAM_WEBSOCKET ? 101 : 200;
}

/* Told what becomes of an output that it uses; may end that use, and the watch, meanwhile. */
struct output_watch {
	TAILQ_ENTRY(output_watch) link;
	void (*on_ring)(struct output_watch *w); /* there is a new ring */
	/* the output is gone; the status and the reason are fit for an error answer */
	void (*on_gone)(struct output_watch *w, int status, const char *text);
};
TAILQ_HEAD(output_watch_list, output_watch);

struct output {
	LIST_ENTRY(output) in_bucket; /* until it is gone */
	struct outputs *all;
	uint32_t want; /* 0 = it has no viewers here */
	uint32_t slot; /* of the channel table; UINT32_MAX before the first ring */
	struct output_id id;
	bool offered;		 /* lives without viewers */
	bool own;		 /* one viewer's alone: no other joins it */
	uint64_t address, token; /* of an own one: of its client, as in struct stream_params */
	bool live;		 /* else viewers start with a lead */
	bool gone;		 /* the master has ended the want */
	bool ended;		 /* ... because the source is over: drain, then end */
	unsigned users; /* viewers, owners of watches, and functions that iterate over them */
	/* the start waits behind those of other channels, or waited until turn_us; 0: it did not */
	bool queued;
	uint64_t turn_us;
	struct viewer_list waiting;
	struct output_watch_list watches;
	struct ring_list rings;
};
LIST_HEAD(output_bucket, output);

#define OUTPUT_BUCKETS 256u

struct outputs {
	struct context *context;   /* borrowed */
	struct schedule *schedule; /* borrowed */
	struct output_bucket buckets[OUTPUT_BUCKETS];
	uint32_t wants;
	uint64_t rings; /* so many have been opened */
};

void outputs_init(struct outputs *all, struct context *context, struct schedule *schedule);

void outputs_free(struct outputs *all); /* those that are offered; no viewer may be left */

/* The output with this want, or NULL. */
struct output *outputs_find(struct outputs *all, uint32_t want);

/* The shared output of this channel that follows `before` (NULL: the first), wanted here or
 * offered; NULL: there is none. */
struct output *outputs_next(struct outputs *all, uint32_t channel, const struct output *before);

/* The output of these parameters, with one more user; wanted from the master when it is its first,
 * as that of an `own` one always is.  NULL without memory. */
struct output *output_use(struct outputs *all, const struct stream_params *p);

/* The same without a WANT: whether the user may begin is still to be decided.  output_begin() makes
 * up for it. */
struct output *output_reserve(struct outputs *all, const struct stream_params *p);
void output_begin(struct output *o);

/* One user less; the last one releases it. */
void output_unuse(struct output *o);

/* The newest ring, or NULL. */
struct stream_ring *output_ring(const struct output *o);

/* Takes the next ring of this output.  False, and a line in the log, if it cannot be used. */
bool output_add_ring(struct output *o, const struct msg_output_ring *m, int fd);

/* Accepts no more viewers; `ended`: the present ones may drain it. */
void output_set_gone(struct output *o, bool ended);

/* A request has waited for start_timeout.  Until when may it go on waiting, because the start had
 * to wait for its turn?  0: no longer. */
uint64_t output_start_until(const struct output *o, uint64_t now_us);

/* Closes all rings without viewers but the newest. */
void output_trim(struct output *o);

/* Messages.  0, or -Exxx when the master sent something unusable. */
must_check int outputs_on_offer(struct outputs *all, const struct msg_output_offer *m, int fd);
void outputs_on_offer_end(struct outputs *all, uint32_t slot);
void outputs_on_turn(struct outputs *all, const struct msg_output_turn *m);

#endif
