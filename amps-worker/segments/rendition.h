/* rendition.h - one variant of a channel as HLS or DASH, in one form of segments: the output that
 * indexes them, and the requests that wait until there is something to play, or for a part to come.
 *
 * A rendition begins with its first request, which makes the worker want the output.  It ends when
 * no playlist of it was asked for during RENDITION_TARGETS target durations: a player asks once in
 * each.  When its source has ended it lives on for that time, so that players learn of the end.
 * Playlists are made from the index when they are asked for, and kept while it does not move. */
#ifndef AMPS_RENDITION_H
#define AMPS_RENDITION_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>
#include "amps-worker/http/body_cache.h"
#include "amps-worker/http/reply.h"
#include "amps-worker/live/output.h"
#include "amps-worker/segments/hls_text.h"

#define RENDITION_TARGETS 3u
#define RENDITION_MIN_US  6000000u
#define RENDITION_BUCKETS 256u
#define REFUSALS_KEPT	  16u

/* A playlist with parts, made once for each part and sent to all. */
struct rendition_text {
	uint64_t generation;
	uint32_t part, oldest, flags; /* of the newest entry */
	bool ended;
	struct buf text; /* empty = not made */
};

struct rendition {
	LIST_ENTRY(rendition) in_bucket; /* or in `replaced` */
	struct renditions *all;
	struct output *output;	   /* a use of it */
	struct output_watch watch; /* of the output, until it is gone */
	struct held_list waiting;
	struct held_list
		answering; /* those that have what they waited for, while they are answered */
	LIST_ENTRY(rendition) in_polled;
	bool polled;	      /* requests wait for its index to move */
	uint64_t seen_commit; /* of the index, when they were looked at last */
	uint64_t until_us;    /* it lives so long; later if it is asked for */
	uint64_t there_us;    /* when requests that wait have seen that there is something; 0 */
	uint32_t target_s;    /* as its last playlist said; 0 = none was made */
	struct rendition_text texts[HLS_COPY_COUNT_];
};
LIST_HEAD(rendition_list, rendition);

/* For requests that wait; `owner` is that of renditions_init(). */
struct rendition_calls {
	/* Is there what this reply waits for? */
	bool (*ready)(void *owner, struct rendition *r, const struct reply *reply);
	/* It is: completes the reply.  NULL, or the error to answer with. */
	const struct held_error *(*answer)(void *owner, struct rendition *r, struct reply *reply);
	/* Does the complete reply have to wait for something else?  True: it has another holder. */
	bool (*wait)(void *owner, struct reply *reply);
	/* The output is gone for this reason: the error of this reply. */
	const struct held_error *(*refuse)(const struct reply *reply,
					   const struct held_error *reason);
};

/* What begins reply->kept of a request that waits. */
struct rendition_wait {
	const struct rendition_calls *calls;
};

/* An output that ended before there was anything to play. */
struct rendition_refusal {
	struct output_id id;
	uint64_t until_us; /* so long it is not worth another try; 0 = empty */
};

struct renditions {
	struct outputs *outputs; /* borrowed */
	struct rendition_list buckets[RENDITION_BUCKETS];
	/* those that have ended and for which a new one has begun; they are freed by
	 * renditions_sweep() only, because their requests may be just being answered */
	struct rendition_list replaced;
	struct rendition_list polled;
	struct rendition_refusal refusals[REFUSALS_KEPT]; /* the last ones */
	unsigned refusal_count;
	struct event timer; /* runs while something is polled */
	unsigned polls;
	struct held_rule start_rule, move_rule;
	void *owner;
};

/* What a rendition is asked for. */
struct rendition_request {
	uint32_t channel;
	const char *variant; /* "" = the channel's own profile */
	enum output_form form;
	const char *sound; /* name of a further one (segment.h); NULL = the usual one */
	bool begins;	   /* a viewer begins: a source that has ended starts again */
};

void renditions_init(struct renditions *all, struct outputs *outputs, struct event_base *base,
		     void *owner);
void renditions_done(struct renditions *all); /* no request may wait any more */

/* The rendition; begins it if need be.  NULL without memory. */
struct rendition *rendition_get(struct renditions *all, const struct rendition_request *q);

/* The one that exists, or NULL. */
struct rendition *rendition_find(struct renditions *all, const struct rendition_request *q);

/* Has its output just been refused? */
bool rendition_refused(const struct renditions *all, const struct rendition_request *q);

/* Whose files an address names. */
struct rendition_track {
	uint32_t channel, number; /* of the folder */
	enum output_form form;
	unsigned place; /* of sound: struct segment_media */
};

/* The one with these files; begins it if other workers' viewers use it.  NULL: there is none, or no
 * memory. */
struct rendition *rendition_of_track(struct renditions *all, const struct rendition_track *track);

/* Names of the further sounds of a variant that any worker's viewers use: their number. */
size_t renditions_sounds(struct renditions *all, uint32_t channel, const char *variant,
			 char to[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX]);

/* It lives on as if it was asked for: something that waits in another rendition needs it. */
void rendition_live_on(struct rendition *r);

/* The newest facts of what was asked for, and the newest part that its playlist with parts lists,
 * if any worker's viewers use it.  False if there are none. */
bool renditions_media(struct renditions *all, const struct rendition_request *q,
		      struct segment_media *ret);
bool renditions_newest_listed(struct renditions *all, const struct rendition_request *q,
			      struct segment *ret);

/* Is there something to play? */
bool rendition_ready(const struct rendition *r);

/* The newest facts of its playlist.  False if there are none. */
bool rendition_media(const struct rendition *r, struct segment_media *ret);

/* Will nothing follow? */
bool rendition_ended(const struct rendition *r);

/* The newest part of its index, and the newest that its playlist with parts lists.  False if there
 * is none. */
bool rendition_newest(const struct rendition *r, struct segment *ret);
bool rendition_newest_listed(const struct rendition *r, struct segment *ret);

/* Are there so few segments that the end of one is listed as soon as it is there? */
bool rendition_early(const struct segment *newest);

/* The entry of this part.  0, -ENOENT or -EBADMSG. */
must_check int rendition_part(const struct rendition *r, uint32_t part, struct segment *ret);

/* A playlist or manifest with these facts is made: it lives on accordingly. */
void rendition_listed(struct rendition *r, const struct segment_media *media);

/* Lets the reply wait until the rendition is ready. */
void rendition_hold(struct rendition *r, struct reply *reply, uint32_t start_timeout_ms);

/* Lets the reply wait for the index to move, as calls.ready() says; three target durations. */
void rendition_hold_move(struct rendition *r, struct reply *reply);

/* Its media playlist with one reference for the caller, from the cache where it is there.  NULL:
 * the index cannot be read, or no memory. */
struct body *rendition_playlist(struct rendition *r, const struct hls_place *place,
				struct body_cache *cache, int64_t wall_us);

/* The same of a rendition with parts.  Borrowed until the next call.  HLS_FIRST makes a difference
 * only while there are few segments. */
const struct buf *rendition_parts(struct rendition *r, const struct hls_place *place,
				  enum hls_copy copy);

/* Every second or so: ends those that have not been requested for their lifetime. */
void renditions_sweep(struct renditions *all, uint64_t now_us);

#endif
