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

static int compare_tags(const void *a, const void *b)
{
	const struct token_tag *x = a, *y = b;

	return (x->tag > y->tag) - (x->tag < y->tag);
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
		s->tags[i].name = tokens_name(t, tokens_at(t, i));
		s->tags[i].tag = signature_token(s->context->media_key, s->tags[i].name);
	}
	if (s->tags)
		qsort(s->tags, count, sizeof(*s->tags), compare_tags);
	s->tags_generation = tokens_generation(t);
	return s->tags != NULL;
}

const struct token_entry *segments_token(struct segments *s, uint64_t tag, int64_t wall_us)
{
	const struct tokens *t = context_tokens(s->context);
	const struct token_tag wanted = {.tag = tag}, *found;

	if (!make_tags(s, t))
		return NULL;
	assert(s->tags_generation == tokens_generation(t));
	found = bsearch(&wanted, s->tags, tokens_count(t), sizeof(*s->tags), compare_tags);
	return found ? tokens_by_name(t, found->name, wall_us) : NULL;
}

struct segment_media segments_media(struct segments *s, const struct rendition_request *q)
{
	struct segment_media media;

	return renditions_media(&s->renditions, q, &media) ? media : (struct segment_media){0};
}

/* Moves the names that are neither `usual` nor among the first `from` to the place behind those. */
static size_t add_names(char to[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX], size_t from,
			const char *usual, char names[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX],
			size_t count)
{
	size_t end = from;

	for (size_t i = 0; i < count && end < SEGMENT_SOUNDS_MAX && names[i][0]; i++) {
		size_t at = 0;

		while (at < from && strcmp(to[at], names[i]) != 0)
			at++;
		if (at == from && strcmp(names[i], usual) != 0)
			memcpy(to[end++], names[i], SEGMENT_SOUND_MAX);
	}
	return end;
}

size_t segments_sounds(struct segments *s, uint32_t channel, const char *variant, bool played,
		       char to[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX])
{
	const struct rendition_request q = {
		.channel = channel, .variant = variant, .form = OUTPUT_CMAF_SOUND};
	struct segment_media usual = segments_media(s, &q);
	char names[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX];
	size_t count = add_names(to, 0, usual.name, usual.sounds, SEGMENT_SOUNDS_MAX);

	if (!played)
		return count;
	return add_names(to, count, "", names,
			 renditions_sounds(&s->renditions, channel, variant, names));
}

enum sound_verdict segments_judge_sound(struct segments *s, uint32_t channel, const char *variant,
					const char *name)
{
	const struct rendition_request q = {
		.channel = channel, .variant = variant, .form = OUTPUT_CMAF_SOUND};
	struct segment_media usual = segments_media(s, &q);
	char names[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX];
	size_t count = segments_sounds(s, channel, variant, true, names);

	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return SOUND_THERE;
	if (!usual.target_s)
		return SOUND_UNKNOWN;
	/* the usual sound may have become this one */
	return strcmp(usual.name, name) == 0 ? SOUND_THERE : SOUND_MISSING;
}

struct rendition *segments_get_sound(struct segments *s, uint32_t channel, const char *variant,
				     const char *name)
{
	struct rendition_request q = {
		.channel = channel, .variant = variant, .form = OUTPUT_CMAF_SOUND};
	const struct rendition *usual = rendition_find(&s->renditions, &q);

	q.sound = name;
	/* a source that has ended is not begun again for them */
	q.begins = usual && !usual->output->gone && !rendition_refused(&s->renditions, &q);
	return q.begins ? rendition_get(&s->renditions, &q) : rendition_find(&s->renditions, &q);
}

void segments_begin_sounds(struct segments *s, uint32_t channel, const char *variant)
{
	char names[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX];
	size_t count = segments_sounds(s, channel, variant, false, names);

	for (size_t i = 0; i < count; i++)
		segments_get_sound(s, channel, variant, names[i]);
}

static bool sounds_ready(struct segments *s, uint32_t channel, const char *variant)
{
	char names[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX];
	size_t count = segments_sounds(s, channel, variant, false, names);
	bool ready = true;

	for (size_t i = 0; i < count; i++) {
		const struct rendition *r = segments_get_sound(s, channel, variant, names[i]);

		ready = ready && (!r || rendition_ready(r));
	}
	return ready;
}

/* What is known of a rendition that is waited for, which does not end meanwhile; since when it is
 * there. */
static struct segment_media await_media(struct segments *s, uint32_t channel, const char *variant,
					enum output_form form, uint64_t *ret_since_us)
{
	const struct rendition_request q = {.channel = channel, .variant = variant, .form = form};
	struct rendition *r = rendition_find(&s->renditions, &q);
	struct segment_media media = segments_media(s, &q);

	*ret_since_us = clock_mono_us();
	if (!r)
		return media;
	rendition_live_on(r);
	if (media.target_s && !r->there_us)
		r->there_us = *ret_since_us;
	if (media.target_s)
		*ret_since_us = r->there_us;
	return media;
}

bool segments_ready(struct segments *s, uint32_t channel, const char *variant, uint64_t late_us)
{
	uint64_t pictures_us, sound_us, now_us = clock_mono_us();
	struct segment_media picture =
		await_media(s, channel, variant, OUTPUT_CMAF_PICTURE, &pictures_us);
	struct segment_media sound = await_media(s, channel, variant, OUTPUT_CMAF_SOUND, &sound_us);

	if (!picture.target_s && (!sound.target_s || sound.streams & SEGMENT_HAS_PICTURE))
		return false;
	/* tables may name sound that has no packets */
	if (!sound.target_s && picture.streams & SEGMENT_HAS_SOUND)
		return now_us >= pictures_us + SEGMENTS_LATE_US;
	return sounds_ready(s, channel, variant) || now_us >= late_us;
}

void segments_tick(struct segments *s)
{
	uint64_t now = clock_mono_us();

	renditions_sweep(&s->renditions, now);
	sessions_sweep(&s->sessions, now);
}
