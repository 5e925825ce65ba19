/* hls_route.c - see hls_route.h */
#include "amps-worker/segments/hls_route.h"

#include <assert.h>
#include <string.h>

#include "amps-worker/http/access.h"
#include "amps-worker/segments/hls_answer.h"
#include "amps-worker/segments/playlist_request.h"
#include "amps-worker/segments/segment_route.h"
#include "common/clock.h"
#include "common/text/text.h"

/* The sound of CMAF is a rendition of its own, which a multivariant playlist needs as well. */
static bool get_sound(const struct playlist_request *p, struct hls_asked *asked, bool begins,
		      struct reply *r)
{
	struct rendition_request want = {.channel = p->channel->id,
					 .variant = playlist_request_variant(p),
					 .form = OUTPUT_CMAF_SOUND,
					 .begins = begins};

	if (asked->what != HLS_MULTIVARIANT || asked->form == OUTPUT_HLS_TS)
		return true;
	if (rendition_get(&p->q.facts->segments->renditions, &want)) {
		asked->late_us = clock_mono_us() + SEGMENTS_LATE_US;
		return true;
	}
	reply_error(r, 503, RETRY_AFTER_S, "no memory for the channel");
	return false;
}

/* Begins no sound that the source may lack. */
static bool judge_sound(const struct playlist_request *p, struct hls_asked *asked, struct reply *r)
{
	enum sound_verdict verdict = SOUND_THERE;

	if (asked->sound[0])
		verdict = segments_judge_sound(p->q.facts->segments, p->channel->id,
					       playlist_request_variant(p), asked->sound);
	asked->unjudged = verdict == SOUND_UNKNOWN;
	if (verdict == SOUND_MISSING)
		reply_error(r, 404, 0, "there is no such sound");
	return verdict != SOUND_MISSING;
}

/* Answers with the playlist `asked` describes but for channel and variant. */
static void answer(const struct playlist_request *p, struct hls_asked *asked, bool begins,
		   struct reply *r)
{
	struct segments *s = p->q.facts->segments;
	struct rendition_request want = {.channel = p->channel->id,
					 .variant = playlist_request_variant(p),
					 .form = asked->form,
					 .sound = asked->sound,
					 .begins = begins};
	struct rendition *rendition;

	assert(p->session.number != 0);
	if (!judge_sound(p, asked, r))
		return;
	if (asked->unjudged)
		want.sound = NULL;
	rendition = rendition_get(&s->renditions, &want);
	if (!rendition) {
		reply_error(r, 503, RETRY_AFTER_S, "no memory for the channel");
		return;
	}
	if (!playlist_request_touch(p, rendition, r) || !get_sound(p, asked, begins, r))
		return;
	asked->channel = p->channel->id;
	text_copy(asked->variant, sizeof(asked->variant), want.variant);
	hls_answer_or_hold(s, rendition, asked, r);
}

/* HEAD starts nothing. */
static bool answer_head(const struct request *q, struct reply *r)
{
	if (q->http->method != HTTP_HEAD)
		return false;
	r->type = HLS_TYPE;
	r->unsized = true;
	return true;
}

/* ?segment_type=; without it *form stays. */
static bool read_type(const struct request *q, enum output_form *form, struct reply *r)
{
	char text[8];
	int found = http_query(q->http, "segment_type", text, sizeof(text));

	if (found == 0)
		return true;
	if (found == 1 && (strcmp(text, "ts") == 0 || strcmp(text, "cmaf") == 0)) {
		*form = text[0] == 't' ? OUTPUT_HLS_TS : OUTPUT_CMAF_PICTURE;
		return true;
	}
	reply_error(r, 400, 0, "segment_type is ts or cmaf");
	return false;
}

/* hls.segment_type, else as the channel's form says. */
static enum output_form usual_form(const struct request *q, const struct catalog_channel *channel)
{
	uint32_t flags = catalog_settings(q->facts->catalog)->flags;
	bool cmaf = channel->form == FORM_LL_HLS;

	if (flags & (SETTING_HLS_TS | SETTING_HLS_CMAF))
		cmaf = flags & SETTING_HLS_CMAF;
	return cmaf ? OUTPUT_CMAF_PICTURE : OUTPUT_HLS_TS;
}

void hls_route_index(const struct request *q, struct reply *r)
{
	bool by_query = catalog_settings(q->facts->catalog)->flags & SETTING_REGION_QUERY;
	struct hls_asked asked = {.wait = {&hls_calls}, .what = HLS_MULTIVARIANT};
	struct playlist_request p = {.q = *q, .protocol = VIEWER_HLS};

	if (!playlist_request_channel(&p, r))
		return;
	asked.form = usual_form(q, p.channel);
	if (!read_type(q, &asked.form, r) || !playlist_request_find(&p, r) || answer_head(q, r))
		return;
	playlist_request_begin(&p);
	asked.session = p.session;
	asked.alone = p.variant != NULL;
	if (by_query)
		access_region(q, asked.region);
	answer(&p, &asked, true, r);
}

void hls_route_single(const struct request *q, struct reply *r)
{
	struct hls_asked asked = {
		.wait = {&hls_calls}, .what = HLS_MEDIA, .form = OUTPUT_HLS_TS, .beside = true};
	struct playlist_request p = {.q = *q, .protocol = VIEWER_HLS};

	if (!playlist_request_channel(&p, r) || !read_type(q, &asked.form, r))
		return;
	if (asked.form != OUTPUT_HLS_TS) {
		reply_error(r, 400, 0,
			    "the sound of cmaf has a playlist of its own; use index.m3u8");
		return;
	}
	if (!playlist_request_find(&p, r) || answer_head(q, r))
		return;
	playlist_request_name(&p);
	answer(&p, &asked, false, r);
}

/* ?track= of a playlist of CMAF. */
static bool read_track(const struct request *q, struct hls_asked *asked, struct reply *r)
{
	char text[8];
	int found = http_query(q->http, "track", text, sizeof(text));

	/* the links say it with the track */
	if (!read_type(q, &asked->form, r))
		return false;
	asked->form = OUTPUT_HLS_TS;
	if (found == 1 && strcmp(text, "picture") == 0)
		asked->form = OUTPUT_CMAF_PICTURE;
	else if (found == 1 && strcmp(text, "sound") == 0)
		asked->form = OUTPUT_CMAF_SOUND;
	else if (found != 0)
		reply_error(r, 404, 0, "there is no such track");
	return found == 0 || asked->form != OUTPUT_HLS_TS;
}

/* ?lang= of a playlist of sound. */
static bool read_sound(const struct request *q, struct hls_asked *asked, struct reply *r)
{
	int found = http_query(q->http, "lang", asked->sound, sizeof(asked->sound));

	if (asked->form != OUTPUT_CMAF_SOUND)
		asked->sound[0] = '\0';
	else if (found != 0 &&
		 (found != 1 || !asked->sound[0] || !segment_sound_ok(asked->sound))) {
		reply_error(r, 404, 0, "there is no such sound");
		return false;
	}
	return true;
}

/* A delivery directive that is a number: 1, 0 (not there) or -1 (wrong). */
static int read_directive(const struct request *q, const char *name, uint32_t *ret)
{
	char text[16];
	int found = http_query(q->http, name, text, sizeof(text));

	if (found != 1)
		return found;
	return segment_route_number((struct span){text, strlen(text)}, UINT32_MAX - 1, ret) ? 1
											    : -1;
}

/* draft-pantos-hls-rfc8216bis, 6.2.5 */
static bool read_delivery(const struct request *q, struct hls_asked *asked, struct reply *r)
{
	int msn = read_directive(q, "_HLS_msn", &asked->number);
	int part = read_directive(q, "_HLS_part", &asked->part);
	char text[8];
	int skip = http_query(q->http, "_HLS_skip", text, sizeof(text));

	/* of a transport stream's playlist they are parameters like any other */
	if (asked->form == OUTPUT_HLS_TS)
		return true;
	if (msn < 0 || part < 0 || (part > 0 && msn == 0)) {
		reply_error(r, 400, 0,
			    "_HLS_msn and _HLS_part are numbers, the second one beside "
			    "the first");
		return false;
	}
	asked->blocks = msn > 0;
	asked->has_part = part > 0;
	asked->skip = skip == 1 && (strcmp(text, "YES") == 0 || strcmp(text, "v2") == 0);
	return true;
}

void hls_route_media(const struct request *q, struct reply *r)
{
	struct playlist_request p = {.q = *q, .protocol = VIEWER_HLS};
	struct hls_asked asked = {.wait = {&hls_calls}, .what = HLS_MEDIA};

	if (playlist_request_channel(&p, r) && playlist_request_session(&p, r) &&
	    playlist_request_find(&p, r) && read_track(q, &asked, r) && read_sound(q, &asked, r) &&
	    read_delivery(q, &asked, r)) {
		/* for its reports of other playlists */
		asked.session = p.session;
		if (http_query(q->http, "region", asked.region, sizeof(asked.region)) != 1)
			asked.region[0] = '\0';
		answer(&p, &asked, false, r);
	}
}

void hls_route_nothing(const struct request *q, struct reply *r)
{
	(void)q;
	reply_error(r, 404, 0, "there is nothing at this address");
}
