/* rendition.h - one variant of a channel as HLS: the output that indexes its segments, and the
 * requests that wait until there is something to play.
 *
 * A rendition begins with its first request, which makes the worker want the output.  It ends when
 * no playlist of it was asked for during RENDITION_TARGETS target durations: a player asks once in
 * each.  When its source has ended it lives on for that time, so that players learn of the end.
 * Playlists are made from the index when they are asked for, and kept while it does not move. */
#ifndef AMPS_RENDITION_H
#define AMPS_RENDITION_H

#include <sys/queue.h>
#include "amps-worker/http/body_cache.h"
#include "amps-worker/http/reply.h"
#include "amps-worker/live/output.h"
#include "amps-worker/segments/hls_text.h"

#define RENDITION_TARGETS 3u
#define RENDITION_MIN_US  6000000u
#define RENDITION_BUCKETS 256u

struct rendition {
	LIST_ENTRY(rendition) in_bucket;
	struct renditions *all;
	struct output *output;	   /* a use of it */
	struct output_watch watch; /* of the output, until it is gone */
	struct held_list waiting;
	uint64_t until_us; /* it lives so long; later if it is asked for */
	uint32_t target_s; /* as its last playlist said; 0 = none was made */
};
LIST_HEAD(rendition_list, rendition);

/* The rendition is ready: completes the reply of a request that waited.  NULL, or the error to
 * answer with. */
typedef const struct held_error *rendition_answer(void *owner, struct rendition *r,
						  struct reply *reply);

struct renditions {
	struct outputs *outputs; /* borrowed */
	struct rendition_list buckets[RENDITION_BUCKETS];
	struct held_rule start_rule;
	rendition_answer *answer;
	void *owner;
};

/* What a rendition is asked for. */
struct rendition_request {
	uint32_t channel;
	const char *variant; /* "" = the channel's own profile */
	bool begins;	     /* a viewer begins: a source that has ended starts again */
};

void renditions_init(struct renditions *all, struct outputs *outputs);
void renditions_done(struct renditions *all); /* no request may wait any more */

/* The rendition; begins it if need be.  NULL without memory. */
struct rendition *rendition_get(struct renditions *all, const struct rendition_request *q);

/* The one that exists, or NULL. */
struct rendition *rendition_find(struct renditions *all, uint32_t channel, const char *variant);

/* Is there something to play? */
bool rendition_ready(const struct rendition *r);

/* The newest facts of its playlist.  False if there are none. */
bool rendition_media(const struct rendition *r, struct segment_media *ret);

/* Lets the reply wait until the rendition is ready. */
void rendition_hold(struct rendition *r, struct reply *reply, uint32_t start_timeout_ms);

/* Its media playlist with one reference for the caller, from the cache where it is there.  NULL:
 * the index cannot be read, or no memory. */
struct body *rendition_playlist(struct rendition *r, const struct hls_place *place,
				struct body_cache *cache, int64_t wall_us);

/* Every second or so: ends those that have not been requested for their lifetime. */
void renditions_sweep(struct renditions *all, uint64_t now_us);

#endif
