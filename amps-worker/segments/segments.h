/* segments.h - HLS and DASH in a worker: renditions, sessions, and who may ask for them. */
#ifndef AMPS_SEGMENTS_H
#define AMPS_SEGMENTS_H

#include "amps-worker/live/live.h"
#include "amps-worker/segments/rendition.h"
#include "amps-worker/segments/sessions.h"

#define SEGMENT_AGE_S	 3600	 /* a cache may keep a segment so long; its bytes never change */
#define SEGMENTS_LATE_US 4000000 /* a list of tracks does not wait longer for one of many */

struct segments {
	struct context *context;  /* borrowed */
	struct body_cache *cache; /* borrowed */
	struct renditions renditions;
	struct sessions sessions;
	/* The keyed hash of each token of the snapshot with this generation, sorted. */
	uint64_t tags_generation;
	struct token_tag {
		uint64_t tag, name;
	} * tags;
};

/* All is borrowed.  0 or -ENOMEM; segments_done() is needed either way, after all connections are
 * gone. */
must_check int segments_init(struct segments *s, struct live *live, struct body_cache *cache);
void segments_done(struct segments *s);

/* The entry of the token with this hash (signature_token()) that has not expired, or NULL. */
const struct token_entry *segments_token(struct segments *s, uint64_t tag, int64_t wall_us);

/* What is known here of this rendition; all 0 = nothing. */
struct segment_media segments_media(struct segments *s, const struct rendition_request *q);

/* The further sounds that the variant's source has; `played`: also those that it lacks now, and
 * that viewers still have.  Their number. */
size_t segments_sounds(struct segments *s, uint32_t channel, const char *variant, bool played,
		       char to[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX]);

/* Has the variant's source this sound? */
enum sound_verdict {
	SOUND_UNKNOWN, /* as long as the usual sound is not there, which names all */
	SOUND_THERE,   /* or viewers have it, who began when the source had it */
	SOUND_MISSING,
};
enum sound_verdict segments_judge_sound(struct segments *s, uint32_t channel, const char *variant,
					const char *name);

/* A further sound that is there, begun if need be.  NULL: it cannot be had at the moment. */
struct rendition *segments_get_sound(struct segments *s, uint32_t channel, const char *variant,
				     const char *name);

/* Begins the further sounds that the variant's source has, unless they were just refused. */
void segments_begin_sounds(struct segments *s, uint32_t channel, const char *variant);

/* Is everything that the variant's source has there as fragments of MP4?  Further sounds are begun
 * and waited for until late_us (clock_mono_us()), and the usual one for SEGMENTS_LATE_US behind the
 * pictures. */
bool segments_ready(struct segments *s, uint32_t channel, const char *variant, uint64_t late_us);

/* Every second or more often. */
void segments_tick(struct segments *s);

#endif
