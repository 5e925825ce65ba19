/* dash_answer.c - see dash_answer.h */
#include "amps-worker/segments/dash_answer.h"

#include <assert.h>
#include <string.h>

#include "amps-worker/context/context.h"
#include "amps-worker/segments/dash_text.h"
#include "amps-worker/segments/media_file.h"
#include "common/clock.h"

#define PICTURES_MAX (VARIANTS_MAX + 1)
#define TRACKS_MAX   (PICTURES_MAX + 1 + SEGMENT_SOUNDS_MAX)

/* How far behind its newest segment a request may wait for one: what is announced, and what a track
 * may be behind the one that the manifest was made from. */
#define AHEAD_MAX (DASH_AHEAD + 2u)

static const struct held_error unmade = {503, "the manifest cannot be made at the moment"};
static const struct held_error gone_segment = {404, "there is no such segment"};

/* ---------- which renditions ---------- */

/* What a manifest lists: the pictures, the usual sound, further sounds.  Texts are borrowed from
 * the catalog and from what is asked for. */
struct sources {
	struct rendition_request at[TRACKS_MAX];
	size_t count, pictures;
	char sounds[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX];
};

static void add_source(struct sources *to, const struct dash_asked *asked, const char *variant,
		       enum output_form form, const char *sound)
{
	assert(to->count < TRACKS_MAX);
	to->at[to->count++] = (struct rendition_request){
		.channel = asked->channel, .variant = variant, .form = form, .sound = sound};
}

static void list_sources(struct segments *s, const struct dash_asked *asked, struct sources *to)
{
	const struct catalog *c = context_catalog(s->context);
	const struct catalog_channel *channel = catalog_find(c, asked->channel);
	const struct catalog_variant *v = channel ? catalog_variants(c, channel) : NULL;
	size_t sounds = segments_sounds(s, asked->channel, asked->variant, true, to->sounds);

	to->count = 0;
	add_source(to, asked, asked->variant, OUTPUT_CMAF_PICTURE, NULL);
	for (uint32_t i = 0; v && !asked->alone && i < channel->variant_count; i++) {
		const char *name = catalog_text(c, v[i].name_at);

		if (name && !v[i].own_tuner && !v[i].unavailable_at && to->count < PICTURES_MAX)
			add_source(to, asked, name, OUTPUT_CMAF_PICTURE, NULL);
	}
	to->pictures = to->count;
	add_source(to, asked, asked->variant, OUTPUT_CMAF_SOUND, NULL);
	for (size_t i = 0; i < sounds; i++)
		add_source(to, asked, asked->variant, OUTPUT_CMAF_SOUND, to->sounds[i]);
}

struct rendition *dash_renditions(struct segments *s, const struct dash_asked *asked, bool begins)
{
	struct rendition *first = NULL;
	struct sources sources;

	list_sources(s, asked, &sources);
	for (size_t i = 0; i <= sources.pictures; i++) {
		struct rendition *r;

		sources.at[i].begins = begins;
		r = rendition_get(&s->renditions, &sources.at[i]);
		if (!r)
			return NULL;
		first = first ? first : r;
		/* a film that has ended is not begun again for its other tracks */
		if (first->output->gone)
			return first;
	}
	segments_begin_sounds(s, asked->channel, asked->variant);
	return first;
}

/* Is everything there that the manifest lists?  What is not lives on until it is. */
static bool manifest_ready(struct segments *s, const struct rendition *first,
			   const struct dash_asked *asked)
{
	struct sources sources;
	bool ready = true;

	if (first->output->gone)
		return true;
	list_sources(s, asked, &sources);
	for (size_t i = 0; i < sources.pictures; i++) {
		struct rendition *r = rendition_find(&s->renditions, &sources.at[i]);

		if (r)
			rendition_live_on(r);
		/* the first ones are what segments_ready() waits for */
		ready = ready && (i == 0 || !r || rendition_ready(r));
	}
	return segments_ready(s, asked->channel, asked->variant, asked->late_us) &&
	       (ready || clock_mono_us() >= asked->late_us);
}

/* ---------- a manifest ---------- */

/* Without what stands in for a sound that the source lacks.  False: there is nothing, or no memory.
 */
static bool read_list(const struct rendition *r, uint64_t window_90k, struct dash_list *l)
{
	struct segment part, newest;

	if (!rendition_newest(r, &newest))
		return false;
	part = newest;
	do {
		if (!(part.flags & SEGMENT_STAND_IN) && dash_list_add(l, &part) < 0)
			return false;
	} while (l->all_90k < window_90k && part.part > 0 &&
		 rendition_part(r, part.part - 1, &part) == 0 && part.number >= newest.oldest);
	dash_list_end(l);
	return l->count > 0;
}

static bool read_track(struct segments *s, const struct rendition_request *source,
		       uint64_t window_90k, struct dash_track *ret)
{
	struct rendition *r = rendition_find(&s->renditions, source);

	*ret = (struct dash_track){.kind = 'v'};
	if (!r || !rendition_media(r, &ret->media))
		return false;
	if (source->form == OUTPUT_CMAF_SOUND)
		ret->kind = (char)('a' + ret->media.place);
	rendition_listed(r, &ret->media);
	if (read_list(r, window_90k, &ret->list)) {
		/* also a sound that the source has lost, as long as the window has some of it */
		if (!r->output->gone)
			rendition_live_on(r);
		return true;
	}
	dash_list_done(&ret->list);
	return false;
}

static const struct held_error *answer_manifest(struct segments *s, struct rendition *first,
						const struct dash_asked *asked, struct reply *r)
{
	const struct catalog *c = context_catalog(s->context);
	const struct catalog_channel *channel = catalog_find(c, asked->channel);
	struct sources sources;
	struct dash_track tracks[TRACKS_MAX];
	struct dash_manifest m = {.key = s->context->media_key,
				  .channel = asked->channel,
				  .tracks = tracks,
				  .variant = asked->alone ? asked->variant : "",
				  .region = asked->region,
				  .session = asked->session,
				  .wall_us = clock_wall_us(),
				  .window_ms = channel ? channel->dash_s * 1000u : 0,
				  .ended = rendition_ended(first)};

	list_sources(s, asked, &sources);
	for (size_t i = 0; i < sources.count; i++)
		m.count += read_track(s, &sources.at[i], m.window_ms * 90ull, &tracks[m.count]);
	if (m.count)
		dash_text_manifest(&r->body, &m);
	for (size_t i = 0; i < m.count; i++)
		dash_list_done(&tracks[i].list);
	if (!m.count)
		return &unmade;
	r->kind = REPLY_BYTES;
	r->type = DASH_TYPE;
	/* it names the viewer's session, and the time */
	reply_field(r, "Cache-Control", "no-store");
	return NULL;
}

/* ---------- a segment that grows ---------- */

/* 1: *ret_bytes of it are there, all of them if *ret_complete.  0: it has not begun.  -ENOENT: it
 * will never be complete, or is not known. */
static int look_at_segment(const struct rendition *r, uint32_t number, uint64_t *ret_bytes,
			   bool *ret_complete)
{
	struct segment part;
	bool over;

	if (!rendition_newest(r, &part))
		return -ENOENT;
	over = part.number > number || rendition_ended(r);
	if (part.number < number)
		return part.number + AHEAD_MAX >= number && !over ? 0 : -ENOENT;
	while (part.number > number)
		if (part.part == 0 || rendition_part(r, part.part - 1, &part) < 0)
			return -ENOENT;
	*ret_bytes = (uint64_t)part.at + part.bytes;
	*ret_complete = part.flags & SEGMENT_LAST;
	return part.number != number || (over && !*ret_complete) ? -ENOENT : 1;
}

struct rendition *dash_segment_rendition(struct segments *s, const struct dash_asked *asked)
{
	struct rendition *r = rendition_of_track(&s->renditions, &asked->track);
	uint64_t bytes;
	bool complete;

	return r && look_at_segment(r, asked->number, &bytes, &complete) >= 0 ? r : NULL;
}

/* What has come since: 1, 0 nothing, or -ENOENT: it will never be complete. */
static int take_next(const struct rendition *rendition, struct reply *r)
{
	const struct dash_asked *asked = r->kept;
	uint64_t sent = r->file.offset + r->file.length, bytes;
	bool complete;

	if (look_at_segment(rendition, asked->number, &bytes, &complete) != 1 || bytes < sent)
		return -ENOENT;
	if (bytes == sent && !complete)
		return 0;
	r->file.offset = sent;
	r->file.length = bytes - sent;
	r->file.size = bytes;
	if (complete)
		r->follow = NULL;
	return 1;
}

static int on_follow(void *owner, struct reply *r)
{
	struct rendition *rendition = dash_segment_rendition(owner, r->kept);
	int there = rendition ? take_next(rendition, r) : -ENOENT;

	if (there == 0)
		rendition_hold_move(rendition, r);
	return there;
}

static const struct held_error *answer_segment(struct segments *s, struct rendition *rendition,
					       const struct dash_asked *asked, struct reply *r)
{
	bool sound = asked->track.form == OUTPUT_CMAF_SOUND;
	struct media_name name = {.channel = asked->channel,
				  .track = asked->track.number,
				  .number = asked->number,
				  .kind = sound ? (char)('a' + asked->track.place) : 'v',
				  .growing = true};
	uint64_t bytes;
	bool complete;
	int64_t written_s;

	/* the answer goes on where it waited */
	if (r->file.fd >= 0)
		return take_next(rendition, r) == 1 ? NULL : &gone_segment;
	if (look_at_segment(rendition, asked->number, &bytes, &complete) != 1 ||
	    media_file_open(s->context->media_fd, &name, &r->file, &written_s) < 0 || bytes == 0 ||
	    bytes > r->file.size)
		return &gone_segment;
	r->kind = REPLY_FILE;
	r->type = sound ? "audio/mp4" : "video/mp4";
	r->file.size = bytes;
	if (!complete) {
		r->file.etag[0] = '\0';
		r->follow = on_follow;
		r->follow_owner = s;
	}
	reply_field(r, "Cache-Control", "public, max-age=%d, immutable", SEGMENT_AGE_S);
	return NULL;
}

/* ---------- now or later ---------- */

static bool is_ready(struct segments *s, struct rendition *rendition,
		     const struct dash_asked *asked, const struct reply *r)
{
	uint64_t bytes;
	bool complete;
	int there;

	if (asked->what == DASH_MANIFEST)
		return manifest_ready(s, rendition, asked);
	there = look_at_segment(rendition, asked->number, &bytes, &complete);
	if (there <= 0)
		return there < 0;
	if (asked->whole)
		return complete;
	return r->file.fd < 0 || complete || bytes > r->file.offset + r->file.length;
}

static const struct held_error *answer(struct segments *s, struct rendition *rendition,
				       const struct dash_asked *asked, struct reply *r)
{
	return asked->what == DASH_MANIFEST ? answer_manifest(s, rendition, asked, r)
					    : answer_segment(s, rendition, asked, r);
}

static bool on_ready(void *owner, struct rendition *rendition, const struct reply *r)
{
	assert(r->kept);
	return is_ready(owner, rendition, r->kept, r);
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
	const struct dash_asked *asked = r->kept;

	return asked->what == DASH_SEGMENT ? &gone_segment : reason;
}

const struct rendition_calls dash_calls = {on_ready, on_answer, on_wait, on_refuse};

void dash_answer_or_hold(struct segments *s, struct rendition *rendition,
			 const struct dash_asked *asked, struct reply *r)
{
	const struct catalog_settings *settings = catalog_settings(context_catalog(s->context));
	const struct held_error *error;

	r->kept = malloc(sizeof(*asked));
	if (!r->kept) {
		reply_error(r, 503, RETRY_AFTER_S, "no memory for the request");
		return;
	}
	memcpy(r->kept, asked, sizeof(*asked));
	if (!is_ready(s, rendition, asked, r)) {
		if (asked->what == DASH_MANIFEST)
			rendition_hold(rendition, r, settings->start_timeout_ms);
		else
			rendition_hold_move(rendition, r);
		return;
	}
	error = answer(s, rendition, asked, r);
	if (error)
		reply_error(r, error->status, RETRY_AFTER_S, "%s", error->text);
	else
		sessions_hold(&s->sessions, r->session, r);
}
