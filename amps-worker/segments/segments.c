/* segments.c - see segments.h */
#include "amps-worker/segments/segments.h"

#include <assert.h>
#include <string.h>

#include "amps-worker/context/context.h"
#include "common/clock.h"

int segments_init(struct segments *s, struct live *live, struct body_cache *cache)
{
	*s = (struct segments){.context = live->viewers.context, .cache = cache};
	renditions_init(&s->renditions, &live->outputs, s->context->base, s);
	return sessions_init(&s->sessions, &live->viewers);
}

void segments_done(struct segments *s)
{
	if (!s->context)
		return;
	renditions_done(&s->renditions);
	sessions_done(&s->sessions);
	free(s->tags);
}

/* Hashes the tokens of the snapshot, once for each. */
static bool make_tags(struct segments *s, const struct tokens *t)
{
	size_t count = tokens_count(t);

	if (s->tags && s->tags_generation == tokens_generation(t))
		return true;
	free(s->tags);
	s->tags = calloc(count + 1, sizeof(*s->tags));
	for (size_t i = 0; s->tags && i < count; i++) {
		const char *token = tokens_at(t, i)->token;

		s->tags[i] = signature_token(s->context->media_key, token,
					     strnlen(token, TOKEN_BYTES_MAX));
	}
	s->tags_generation = tokens_generation(t);
	return s->tags != NULL;
}

const struct token_entry *segments_token(struct segments *s, uint64_t tag, int64_t wall_us)
{
	const struct tokens *t = context_tokens(s->context);

	if (!make_tags(s, t))
		return NULL;
	assert(s->tags_generation == tokens_generation(t));
	for (size_t i = 0; i < tokens_count(t); i++) {
		const struct token_entry *e = tokens_at(t, i);

		if (s->tags[i] == tag &&
		    (e->expires_wall_us == TIME_NONE || wall_us < e->expires_wall_us))
			return e;
	}
	return NULL;
}

struct segment_media segments_media(struct segments *s, uint32_t channel, const char *variant,
				    enum output_form form)
{
	const struct rendition_request q = {.channel = channel, .variant = variant, .form = form};
	struct segment_media media;

	return renditions_media(&s->renditions, &q, &media) ? media : (struct segment_media){0};
}

bool segments_ready(struct segments *s, uint32_t channel, const char *variant)
{
	struct segment_media picture = segments_media(s, channel, variant, OUTPUT_CMAF_PICTURE);
	struct segment_media sound = segments_media(s, channel, variant, OUTPUT_CMAF_SOUND);

	if (picture.target_s)
		return sound.target_s || !(picture.streams & SEGMENT_HAS_SOUND);
	return sound.target_s && !(sound.streams & SEGMENT_HAS_PICTURE);
}

void segments_tick(struct segments *s)
{
	uint64_t now = clock_mono_us();

	renditions_sweep(&s->renditions, now);
	sessions_sweep(&s->sessions, now);
}
