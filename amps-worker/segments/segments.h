/* segments.h - HLS and DASH in a worker: renditions, sessions, and who may ask for them. */
#ifndef AMPS_SEGMENTS_H
#define AMPS_SEGMENTS_H

#include "amps-worker/live/live.h"
#include "amps-worker/segments/rendition.h"
#include "amps-worker/segments/sessions.h"

#define SEGMENT_AGE_S 3600 /* a cache may keep a segment so long; its bytes never change */

struct segments {
	struct context *context;  /* borrowed */
	struct body_cache *cache; /* borrowed */
	struct renditions renditions;
	struct sessions sessions;
	/* The keyed hash of each token of the snapshot with this generation. */
	uint64_t tags_generation;
	uint64_t *tags;
};

/* All is borrowed.  0 or -ENOMEM; segments_done() is needed either way, after all connections are
 * gone. */
must_check int segments_init(struct segments *s, struct live *live, struct body_cache *cache);
void segments_done(struct segments *s);

/* The entry of the token with this hash (signature_token()) that has not expired, or NULL. */
const struct token_entry *segments_token(struct segments *s, uint64_t tag, int64_t wall_us);

/* What is known here of a variant in this form; all 0 = nothing. */
struct segment_media segments_media(struct segments *s, uint32_t channel, const char *variant,
				    enum output_form form);

/* Is everything that the variant's source has there as fragments of MP4? */
bool segments_ready(struct segments *s, uint32_t channel, const char *variant);

/* Every second or more often. */
void segments_tick(struct segments *s);

#endif
