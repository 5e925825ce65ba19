/* hls_answer.c - see hls_answer.h */
#include "amps-worker/segments/hls_answer.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "amps-worker/context/context.h"
#include "amps-worker/segments/media_file.h"
#include "common/clock.h"

static const struct held_error removed = {404, "the channel has been removed"};
static const struct held_error no_sound = {404, "there is no such sound"};
static const struct held_error unmade = {503, "the playlist cannot be made at the moment"};
static const struct held_error gone_part = {404, "there is no such part"};
static const struct held_error too_far = {400,
					  "the playlist will not have that segment or part soon"};

/* How far a blocking reload may look ahead. */
#define AHEAD_SEGMENTS 2u
#define AHEAD_MIN_MS   3000u
#define AHEAD_TARGETS  2u /* hls.js without low latency asks for the last part of a segment */

/* The newest part of another playlist, for players that may switch to it. */
static void add_report(struct segments *s, const struct hls_asked *asked, const char *variant,
		       enum output_form form, const char *sound, struct buf *b)
{
	const struct rendition_request other = {
		.channel = asked->channel, .variant = variant, .form = form, .sound = sound};
	char session[SESSION_TEXT + 1];
	const struct hls_link link = {.variant = variant,
				      .form = form,
				      .sound = sound,
				      .region = asked->region,
				      .session = session};
	struct hls_report report;
	struct segment newest;
	struct buf uri = BUF_INIT;

	if (!renditions_newest_listed(&s->renditions, &other, &newest))
		return;
	session_name_write(s->context->media_key, asked->channel, &asked->session, session);
	hls_text_link(&uri, &link);
	report = (struct hls_report){.uri = uri.data ? uri.data : "",
				     .number = newest.number,
				     .part = newest.part - newest.first};
	hls_text_report(b, &report);
	buf_done(&uri);
}

/* Reports of the sounds but the one that was asked for. */
static void add_sound_reports(struct segments *s, const struct hls_asked *asked, struct buf *b)
{
	const char *own = asked->form == OUTPUT_CMAF_SOUND ? asked->sound : NULL;
	char names[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX];
	size_t count = segments_sounds(s, asked->channel, "", true, names);

	if (!own || own[0])
		add_report(s, asked, "", OUTPUT_CMAF_SOUND, NULL, b);
	for (size_t i = 0; i < count; i++)
		if (!own || strcmp(own, names[i]) != 0)
			add_report(s, asked, "", OUTPUT_CMAF_SOUND, names[i], b);
}

/* Reports of all playlists of the channel but the one that was asked for. */
static void add_reports(struct segments *s, const struct hls_asked *asked, struct buf *b)
{
	const struct catalog *c = context_catalog(s->context);
	const struct catalog_channel *channel = catalog_find(c, asked->channel);
	const struct catalog_variant *v = channel ? catalog_variants(c, channel) : NULL;
	bool sound = asked->form == OUTPUT_CMAF_SOUND;

	if (sound || asked->variant[0])
		add_report(s, asked, "", OUTPUT_CMAF_PICTURE, NULL, b);
	add_sound_reports(s, asked, b);
	for (uint32_t i = 0; v && i < channel->variant_count; i++) {
		const char *name = catalog_text(c, v[i].name_at);

		if (name && !v[i].own_tuner && (sound || strcmp(name, asked->variant) != 0))
			add_report(s, asked, name, OUTPUT_CMAF_PICTURE, NULL, b);
	}
}

/* How far a playlist is, compared with the segment or part that a request waits for. */
enum reach { REACH_WAITS, REACH_THERE, REACH_TOO_FAR };

/* draft-pantos-hls-rfc8216bis, 6.2.5.2; a part behind the last one of its segment is the first one
 * of the next segment.  A segment is there when its end is listed (hls_parts.c). */
static enum reach reach_of(const struct rendition *rendition, const struct hls_asked *asked)
{
	struct segment_media media;
	struct segment newest;
	uint32_t part, ahead_ms;

	if (!rendition_newest_listed(rendition, &newest) || !rendition_media(rendition, &media))
		return REACH_WAITS;
	if (newest.number > asked->number || rendition_ended(rendition))
		return REACH_THERE;
	part = newest.number == asked->number ? newest.part - newest.first : 0;
	ahead_ms = MAX(AHEAD_MIN_MS, AHEAD_TARGETS * media.target_s * 1000);
	if (asked->number - newest.number > AHEAD_SEGMENTS ||
	    (asked->has_part && asked->part > part &&
	     asked->part - part > ahead_ms / MAX(media.part_ms, 1u)))
		return REACH_TOO_FAR;
	if (newest.number < asked->number)
		return REACH_WAITS;
	if (asked->has_part)
		return part >= asked->part ? REACH_THERE : REACH_WAITS;
	return newest.flags & SEGMENT_LAST && rendition_early(&newest) ? REACH_THERE : REACH_WAITS;
}

/* The first letter of its files. */
static char kind_of(enum output_form form, const struct segment_media *media)
{
	return form == OUTPUT_CMAF_SOUND ? (char)('a' + media->place) : 'v';
}

static const struct held_error *answer_ts(struct segments *s, struct rendition *rendition,
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

static const struct held_error *answer_media(struct segments *s, struct rendition *rendition,
					     const struct hls_asked *asked, struct reply *r)
{
	struct hls_place place = {
		.key = s->context->media_key, .channel = asked->channel, .prefix = ""};
	struct segment_media media;
	const struct buf *text;
	enum hls_copy copy;

	if (asked->form == OUTPUT_HLS_TS)
		return answer_ts(s, rendition, asked, r);
	if (!rendition_media(rendition, &media))
		return &unmade;
	place.kind = kind_of(asked->form, &media);
	if (asked->blocks && reach_of(rendition, asked) == REACH_TOO_FAR)
		return &too_far;
	copy = asked->skip ? HLS_DELTA : asked->blocks ? HLS_FULL : HLS_FIRST;
	text = rendition_parts(rendition, &place, copy);
	if (!text)
		return &unmade;
	/* not shared: the reports name the viewer's session */
	r->kind = REPLY_BYTES;
	r->type = HLS_TYPE;
	buf_add(&r->body, text->data, text->len);
	if (!rendition_ended(rendition))
		add_reports(s, asked, &r->body);
	reply_field(r, "Cache-Control", "no-cache");
	return NULL;
}

/* The part's bytes, which its segment's file has. */
static const struct held_error *answer_part(struct segments *s, struct rendition *rendition,
					    const struct hls_asked *asked, struct reply *r)
{
	struct media_name name = {.channel = asked->channel};
	struct segment_media media;
	struct segment part;
	int64_t written_s;

	if (rendition_part(rendition, asked->part, &part) < 0 ||
	    !rendition_media(rendition, &media))
		return &gone_part;
	name.kind = kind_of(asked->form, &media);
	name.track = media.track;
	name.number = part.number;
	name.growing = true;
	if (media_file_open(s->context->media_fd, &name, &r->file, &written_s) < 0)
		return &gone_part;
	if ((uint64_t)part.at + part.bytes > r->file.size)
		return &gone_part;
	r->file.base = part.at;
	r->file.size = part.bytes;
	snprintf(r->file.etag, sizeof(r->file.etag), "\"p%u-%u\"", part.part, part.bytes);
	r->kind = REPLY_FILE;
	r->type = asked->form == OUTPUT_CMAF_SOUND ? "audio/mp4" : "video/mp4";
	reply_field(r, "Cache-Control", "public, max-age=%d, immutable", SEGMENT_AGE_S);
	return NULL;
}

/* The codec of a stream of a variant whose profile says this: "" = that of the first variant, which
 * is there already, "-" = there is no such stream, "?" = not known. */
static void guess_codec(const char *says, uint32_t stream, uint32_t *streams,
			char codec[SEGMENT_CODEC_MAX])
{
	if (!says[0])
		return;
	if (says[0] == '-')
		*streams &= ~stream;
	snprintf(codec, SEGMENT_CODEC_MAX, "%s", says[0] == '-' || says[0] == '?' ? "" : says);
}

/* A variant that has not run gets the facts of its profile, and else those of the first one:
 * players ignore a variant of which less is known than of the others. */
static struct segment_media guess_media(const struct catalog_variant *v,
					const struct segment_media *first)
{
	struct segment_media guess = *first;

	/* if the first one is not known either, assume both streams */
	if (!guess.streams)
		guess.streams = SEGMENT_HAS_PICTURE | SEGMENT_HAS_SOUND;
	guess_codec(v->picture, SEGMENT_HAS_PICTURE, &guess.streams, guess.picture);
	guess_codec(v->sound, SEGMENT_HAS_SOUND, &guess.streams, guess.sound);
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

static struct segment_media media_of(struct segments *s, const struct hls_asked *asked,
				     const char *variant, enum output_form form, const char *sound)
{
	return segments_media(s, &(struct rendition_request){.channel = asked->channel,
							     .variant = variant,
							     .form = form,
							     .sound = sound});
}

/* The channel itself, then its variants: those with a source of their own are not aligned with the
 * others.  The number, or 0 if the channel is gone. */
static size_t list_variants(struct segments *s, const struct hls_asked *asked,
			    enum output_form form, struct hls_variant to[1 + VARIANTS_MAX])
{
	const struct catalog *c = context_catalog(s->context);
	const struct catalog_channel *channel = catalog_find(c, asked->channel);
	const struct catalog_variant *v = channel ? catalog_variants(c, channel) : NULL;
	size_t count = 0;

	if (!channel)
		return 0;
	to[count++] = (struct hls_variant){.media = media_of(s, asked, asked->variant, form, NULL),
					   .name = asked->variant};
	for (uint32_t i = 0; v && !asked->alone && i < channel->variant_count; i++) {
		const char *name = catalog_text(c, v[i].name_at);

		if (!name || v[i].own_tuner || v[i].unavailable_at || count > VARIANTS_MAX)
			continue;
		assert(count <= VARIANTS_MAX);
		to[count] = (struct hls_variant){.media = media_of(s, asked, name, form, NULL),
						 .name = name};
		if (!to[count].media.target_s)
			to[count].media = guess_media(&v[i], &to[0].media);
		count++;
	}
	return count;
}

/* The sounds that are there, the usual one first.  Their number; 0: there is none. */
static size_t list_sounds(struct segments *s, const struct hls_asked *asked,
			  char names[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX],
			  struct hls_sound to[1 + SEGMENT_SOUNDS_MAX])
{
	size_t named = segments_sounds(s, asked->channel, asked->variant, false, names), count = 1;

	to[0] = (struct hls_sound){
		.media = media_of(s, asked, asked->variant, OUTPUT_CMAF_SOUND, NULL),
		.variant = asked->variant,
		.track = ""};
	if (!to[0].media.target_s)
		return 0;
	for (size_t i = 0; i < named; i++) {
		to[count] = (struct hls_sound){
			.media = media_of(s, asked, asked->variant, OUTPUT_CMAF_SOUND, names[i]),
			.variant = asked->variant,
			.track = names[i]};
		count += to[count].media.target_s > 0;
	}
	return count;
}

/* The tables name sound that is not there. */
static void leave_sound_out(struct segment_media *media)
{
	media->streams &= ~(uint32_t)SEGMENT_HAS_SOUND;
	media->sound[0] = '\0';
}

static const struct held_error *answer_multivariant(struct segments *s,
						    const struct hls_asked *asked, struct reply *r)
{
	struct hls_variant variants[1 + VARIANTS_MAX];
	struct hls_sound sounds[1 + SEGMENT_SOUNDS_MAX];
	char names[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX];
	char session[SESSION_TEXT + 1];
	struct hls_multivariant m = {.variants = variants,
				     .sounds = sounds,
				     .form = asked->form,
				     .session = session,
				     .region = asked->region};
	bool silent;

	session_name_write(s->context->media_key, asked->channel, &asked->session, session);
	if (asked->form != OUTPUT_HLS_TS)
		m.sound_count = list_sounds(s, asked, names, sounds);
	silent = asked->form != OUTPUT_HLS_TS && !m.sound_count;
	/* without a picture, sound is what the variants are */
	if (m.sound_count && !(sounds[0].media.streams & SEGMENT_HAS_PICTURE)) {
		m.form = OUTPUT_CMAF_SOUND;
		m.sound_count = m.sound_count > 1 ? m.sound_count : 0;
	}
	m.count = list_variants(s, asked, m.form, variants);
	if (!m.count)
		return &removed;
	for (size_t i = 0; silent && i < m.count; i++)
		leave_sound_out(&variants[i].media);
	r->kind = REPLY_BYTES;
	r->type = HLS_TYPE;
	hls_text_multivariant(&r->body, &m);
	/* it names the viewer's session */
	reply_field(r, "Cache-Control", "no-store");
	return NULL;
}

/* The rendition of a media playlist, which is not always the one that the request waits in.  NULL:
 * the source has no such sound. */
static struct rendition *media_rendition(struct segments *s, struct rendition *waits_in,
					 const struct hls_asked *asked)
{
	if (!asked->unjudged)
		return waits_in;
	if (segments_judge_sound(s, asked->channel, asked->variant, asked->sound) != SOUND_THERE)
		return NULL;
	return segments_get_sound(s, asked->channel, asked->variant, asked->sound);
}

static bool media_ready(struct segments *s, struct rendition *waits_in,
			const struct hls_asked *asked)
{
	struct rendition *rendition;

	if (!rendition_ready(waits_in))
		return false;
	rendition = media_rendition(s, waits_in, asked);
	return !rendition || (rendition_ready(rendition) &&
			      (!asked->blocks || reach_of(rendition, asked) != REACH_WAITS));
}

static bool is_ready(struct segments *s, struct rendition *rendition, const struct hls_asked *asked)
{
	struct segment newest;

	switch (asked->what) {
	case HLS_MULTIVARIANT:
		return asked->form == OUTPUT_HLS_TS || rendition_ended(rendition)
			       ? rendition_ready(rendition)
			       : segments_ready(s, asked->channel, asked->variant, asked->late_us);
	case HLS_MEDIA:
		return media_ready(s, rendition, asked);
	case HLS_PART:
		return rendition_newest(rendition, &newest) &&
		       (newest.part >= asked->part || rendition_ended(rendition));
	}
	return false;
}

static const struct held_error *answer(struct segments *s, struct rendition *rendition,
				       const struct hls_asked *asked, struct reply *r)
{
	switch (asked->what) {
	case HLS_MULTIVARIANT:
		return answer_multivariant(s, asked, r);
	case HLS_MEDIA:
		rendition = media_rendition(s, rendition, asked);
		return rendition ? answer_media(s, rendition, asked, r) : &no_sound;
	case HLS_PART:
		return answer_part(s, rendition, asked, r);
	}
	return &unmade;
}

static bool on_ready(void *owner, struct rendition *rendition, const struct reply *r)
{
	assert(r->kept);
	return is_ready(owner, rendition, r->kept);
}

static const struct held_error *on_answer(void *owner, struct rendition *rendition, struct reply *r)
{
	assert(r->kept);
	return answer(owner, rendition, r->kept, r);
}

static bool on_wait(void *owner, struct reply *r)
{
	struct segments *s = owner;

	return sessions_hold(&s->sessions, r->session, r);
}

static const struct held_error *on_refuse(const struct reply *r, const struct held_error *reason)
{
	const struct hls_asked *asked = r->kept;

	assert(asked);
	return asked->what == HLS_PART ? &gone_part : reason;
}

const struct rendition_calls hls_calls = {on_ready, on_answer, on_wait, on_refuse};

static_assert(sizeof(struct hls_asked) <= HLS_HELD_BYTES, "a held request");

void hls_answer_or_hold(struct segments *s, struct rendition *rendition,
			const struct hls_asked *asked, struct reply *r)
{
	const struct catalog_settings *settings = catalog_settings(context_catalog(s->context));
	size_t kept_bytes;

	if (is_ready(s, rendition, asked)) {
		const struct held_error *error = answer(s, rendition, asked, r);

		if (error)
			reply_error(r, error->status, RETRY_AFTER_S, "%s", error->text);
		else
			sessions_hold(&s->sessions, r->session, r);
		return;
	}
	kept_bytes = offsetof(struct hls_asked, variant) + strlen(asked->variant) + 1;
	assert(kept_bytes <= sizeof(*asked));
	r->kept = malloc(kept_bytes);
	if (!r->kept) {
		reply_error(r, 503, RETRY_AFTER_S, "no memory for the request");
		return;
	}
	memcpy(r->kept, asked, kept_bytes);
	if (rendition_ready(rendition) && asked->what != HLS_MULTIVARIANT)
		rendition_hold_move(rendition, r);
	else
		rendition_hold(rendition, r, settings->start_timeout_ms);
}
