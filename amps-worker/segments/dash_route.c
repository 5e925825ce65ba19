/* dash_route.c - see dash_route.h */
#include "amps-worker/segments/dash_route.h"

#include "amps-worker/http/access.h"
#include "amps-worker/segments/dash_answer.h"
#include "amps-worker/segments/playlist_request.h"
#include "common/clock.h"
#include "common/text/text.h"

/* Sets the session, by ?s= or by a token; *ret_begins: it is a new one. */
static bool admit(struct playlist_request *p, bool *ret_begins, struct reply *r)
{
	char text[2];

	*ret_begins = false;
	if (http_query(p->q.http, "s", text, sizeof(text)) != 0)
		return playlist_request_channel(p, r) && playlist_request_session(p, r);
	if (!route_admit(&p->q, r) || !playlist_request_channel(p, r))
		return false;
	playlist_request_name(p);
	*ret_begins = !sessions_live(&p->q.facts->segments->sessions, p->session.number);
	return true;
}

void dash_route_manifest(const struct request *q, struct reply *r)
{
	bool by_query = catalog_settings(q->facts->catalog)->flags & SETTING_REGION_QUERY;
	struct dash_asked asked = {.wait = {&dash_calls}, .what = DASH_MANIFEST};
	struct playlist_request p = {.q = *q, .protocol = VIEWER_DASH};
	struct segments *s = q->facts->segments;
	struct rendition *rendition;
	bool begins;

	if (!admit(&p, &begins, r) || !playlist_request_find(&p, r))
		return;
	/* HEAD starts nothing */
	if (q->http->method == HTTP_HEAD) {
		r->type = DASH_TYPE;
		r->unsized = true;
		return;
	}
	playlist_request_text(&p, asked.session);
	if (by_query)
		access_region(q, asked.region);
	asked.channel = p.channel->id;
	asked.alone = p.variant != NULL;
	asked.late_us = clock_mono_us() + SEGMENTS_LATE_US;
	text_copy(asked.variant, sizeof(asked.variant), playlist_request_variant(&p));
	rendition = dash_renditions(s, &asked, begins);
	if (!rendition)
		reply_error(r, 503, RETRY_AFTER_S, "no memory for the channel");
	else if (playlist_request_touch(&p, rendition, r))
		dash_answer_or_hold(s, rendition, &asked, r);
}
