/* segments.h - HLS in a worker: renditions, sessions, and who may ask for them. */
#ifndef AMPS_SEGMENTS_H
#define AMPS_SEGMENTS_H

#include "amps-worker/live/live.h"
#include "amps-worker/segments/rendition.h"
#include "amps-worker/segments/sessions.h"

struct segments {
	struct context *context;  /* borrowed */
	struct body_cache *cache; /* borrowed */
	struct renditions renditions;
	struct sessions sessions;
	/* The keyed hash of each token of the snapshot with this generation. */
	uint64_t tags_generation;
	uint64_t *tags;
};

/* All is borrowed; `calls` complete requests that waited.  0 or -ENOMEM; segments_done() is
 * needed either way, after all connections are gone. */
must_check int segments_init(struct segments *s, struct live *live, struct body_cache *cache,
			     const struct rendition_calls *calls);
void segments_done(struct segments *s);

/* The entry of the token with this hash (signature_token()) that has not expired, or NULL. */
const struct token_entry *segments_token(struct segments *s, uint64_t tag, int64_t wall_us);

/* Every second or more often. */
void segments_tick(struct segments *s);

#endif
