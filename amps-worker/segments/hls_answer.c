/* hls_answer.c - see hls_answer.h */
#include "amps-worker/segments/hls_answer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-worker/context/context.h"
#include "common/clock.h"

static const struct held_error removed = {404, "the channel has been removed"};
static const struct held_error unmade = {503, "the playlist cannot be made at the moment"};

static const struct held_error *answer_media(struct segments *s, struct rendition *rendition,
					     const struct hls_asked *asked, struct reply *r)
{
	char prefix[16] = "";
	struct hls_place place = {
		.key = s->context->media_key, .channel = asked->channel, .prefix = prefix};

	if (asked->beside)
		snprintf(prefix, sizeof(prefix), "%u/", asked->channel);
	r->shared = rendition_playlist(rendition, &place, s->cache, clock_wall_us());
	if (!r->shared)
		return &unmade;
	r->kind = REPLY_SHARED;
	reply_field(r, "Cache-Control", "no-cache");
	return NULL;
}

/* What is known of a variant here. */
static struct segment_media media_of(struct segments *s, uint32_t channel, const char *name)
{
	const struct rendition *known = rendition_find(&s->renditions, channel, name);
	struct segment_media media;

	return known && rendition_media(known, &media) ? media : (struct segment_media){0};
}

static bool is_sound(const char *codec)
{
	static const char *const sounds[] = {"mp4a.", "ac-3", "ec-3", "opus"};

	for (size_t i = 0; i < array_size(sounds); i++)
		if (strncmp(codec, sounds[i], strlen(sounds[i])) == 0)
			return true;
	return false;
}

/* CODECS of a variant whose profile says `picture` and `sound`, beside the first one's. */
static void guess_codecs(const struct catalog_variant *v, const struct segment_media *first,
			 char codecs[SEGMENT_CODECS_MAX])
{
	const char *sound = is_sound(first->codecs) ? first->codecs : strchr(first->codecs, ',');
	int picture_len = sound ? (int)(sound - first->codecs) : (int)SEGMENT_CODECS_MAX;
	char picture_text[SEGMENT_CODECS_MAX], sound_text[SEGMENT_CODECS_MAX];

	snprintf(picture_text, sizeof(picture_text), "%.*s", picture_len, first->codecs);
	snprintf(sound_text, sizeof(sound_text), "%s", sound ? sound + (*sound == ',') : "");
	if (v->picture[0])
		snprintf(picture_text, sizeof(picture_text), "%.*s", (int)sizeof(v->picture),
			 v->picture[0] == '-' ? "" : v->picture);
	if (v->sound[0])
		snprintf(sound_text, sizeof(sound_text), "%.*s", (int)sizeof(v->sound),
			 v->sound[0] == '-' ? "" : v->sound);
	codecs[0] = '\0';
	/* a list that lacks one of the streams would be wrong */
	if (v->picture[0] != '?' && v->sound[0] != '?' && first->codecs[0])
		snprintf(codecs, SEGMENT_CODECS_MAX, "%.40s%s%.20s", picture_text,
			 *picture_text && *sound_text ? "," : "", sound_text);
}

/* One that has not run is what its profile says, and else like the first: a player leaves out a
 * variant of which it knows less than of the others. */
static struct segment_media guess_media(const struct catalog_variant *v,
					const struct segment_media *first)
{
	struct segment_media guess = *first;

	guess_codecs(v, first, guess.codecs);
	if (v->picture[0] == '-')
		guess.width = guess.height = guess.rate_milli = 0;
	guess.independent = 0;
	guess.average_bps = 0;
	if (v->bps)
		guess.peak_bps = v->bps;
	if (v->rate_milli)
		guess.rate_milli = v->rate_milli;
	if (v->width && v->height) {
		guess.width = v->width;
		guess.height = v->height;
	}
	return guess;
}

/* The channel itself, then its variants: those with a source of their own are not aligned with the
 * others.  The number, or 0 if the channel is gone. */
static size_t list_variants(struct segments *s, const struct hls_asked *asked,
			    struct hls_variant to[1 + VARIANTS_MAX])
{
	const struct catalog *c = context_catalog(s->context);
	const struct catalog_channel *channel = catalog_find(c, asked->channel);
	const struct catalog_variant *v = channel ? catalog_variants(c, channel) : NULL;
	size_t count = 0;

	if (!channel)
		return 0;
	to[count++] = (struct hls_variant){.media = media_of(s, asked->channel, asked->variant),
					   .name = asked->variant};
	for (uint32_t i = 0; v && !asked->alone && i < channel->variant_count; i++) {
		const char *name = catalog_text(c, v[i].name_at);

		if (!name || v[i].own_tuner || v[i].unavailable_at || count > VARIANTS_MAX)
			continue;
		assert(count <= VARIANTS_MAX);
		to[count] = (struct hls_variant){.media = media_of(s, asked->channel, name),
						 .name = name};
		if (!to[count].media.target_s)
			to[count].media = guess_media(&v[i], &to[0].media);
		count++;
	}
	return count;
}

static const struct held_error *answer_multivariant(struct segments *s,
						    const struct hls_asked *asked, struct reply *r)
{
	struct hls_variant variants[1 + VARIANTS_MAX];
	size_t count = list_variants(s, asked, variants);

	if (!count)
		return &removed;
	r->kind = REPLY_BYTES;
	r->type = HLS_TYPE;
	hls_text_multivariant(&r->body, variants, count, asked->session, asked->region);
	/* it names the viewer's session */
	reply_field(r, "Cache-Control", "no-store");
	return NULL;
}

static const struct held_error *answer(struct segments *s, struct rendition *rendition,
				       const struct hls_asked *asked, struct reply *r)
{
	return asked->multivariant ? answer_multivariant(s, asked, r)
				   : answer_media(s, rendition, asked, r);
}

const struct held_error *hls_answer(void *owner, struct rendition *rendition, struct reply *r)
{
	assert(r->kept);
	return answer(owner, rendition, r->kept, r);
}

void hls_answer_or_hold(struct segments *s, struct rendition *rendition,
			const struct hls_asked *asked, struct reply *r)
{
	const struct catalog_settings *settings = catalog_settings(context_catalog(s->context));

	if (rendition_ready(rendition)) {
		const struct held_error *error = answer(s, rendition, asked, r);

		if (error)
			reply_error(r, error->status, RETRY_AFTER_S, "%s", error->text);
		return;
	}
	r->kept = malloc(sizeof(*asked));
	if (!r->kept) {
		reply_error(r, 503, RETRY_AFTER_S, "no memory for the request");
		return;
	}
	memcpy(r->kept, asked, sizeof(*asked));
	rendition_hold(rendition, r, settings->start_timeout_ms);
}
