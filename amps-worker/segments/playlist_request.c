/* playlist_request.c - see playlist_request.h */
#include "amps-worker/segments/playlist_request.h"

#include <string.h>

#include "amps-worker/context/context.h"
#include "amps-worker/http/access.h"
#include "amps-worker/live/admission.h"

#define SESSIONS_NAMED 16u /* of one viewer that the server ends one after the other */

bool playlist_request_channel(struct playlist_request *p, struct reply *r)
{
	p->channel = admission_channel(&p->q, p->q.segment[0], r);
	return p->channel != NULL;
}

bool playlist_request_find(struct playlist_request *p, struct reply *r)
{
	return admission_allowed(&p->q, p->channel, r) &&
	       admission_variant(&p->q, p->channel, r, &p->variant) &&
	       admission_playable(&p->q, p->channel, p->variant, r);
}

const char *playlist_request_variant(const struct playlist_request *p)
{
	const char *name =
		p->variant ? catalog_text(p->q.facts->catalog, p->variant->name_at) : NULL;

	return name ? name : "";
}

static const uint8_t *key_of(const struct playlist_request *p)
{
	return p->q.facts->segments->context->media_key;
}

static uint64_t token_tag(const struct playlist_request *p)
{
	uint64_t name = admission_token_name(&p->q);

	return name ? signature_token(key_of(p), name) : 0;
}

/* Of the viewer's nth session; a link that is for one address is one viewer there. */
static uint64_t named_number(const struct playlist_request *p, uint64_t tag, bool bound,
			     unsigned nth)
{
	const struct request *q = &p->q;
	struct in6_addr address = access_client(q->http, q->facts);
	struct span agent = bound ? (struct span){"", 0} : http_field(q->http, "User-Agent");

	return signature_viewer(key_of(p), p->channel->id, tag, address.s6_addr, agent, nth);
}

void playlist_request_name(struct playlist_request *p)
{
	const struct request *q = &p->q;

	p->session.tag = token_tag(p);
	p->session.link = signature_link(q->until_wall_us, q->region, q->bound);
	/* one that was ended is refused for a while, as its player goes on asking */
	for (unsigned nth = 0; nth < SESSIONS_NAMED; nth++) {
		p->session.number = named_number(p, p->session.tag, q->bound, nth);
		if (!sessions_may_return(&q->facts->segments->sessions, p->session.number))
			break;
	}
}

void playlist_request_begin(struct playlist_request *p)
{
	if (p->q.bound) {
		playlist_request_name(p);
		return;
	}
	p->session = (struct session_name){sessions_number(&p->q.facts->segments->sessions),
					   token_tag(p),
					   signature_link(p->q.until_wall_us, p->q.region, false)};
}

/* Does a session of a link that is for one address come from there? */
static bool is_at_home(const struct playlist_request *p)
{
	bool found = !(p->session.link & SIGNATURE_BOUND);

	for (unsigned nth = 0; !found && nth < SESSIONS_NAMED; nth++)
		found = named_number(p, p->session.tag, true, nth) == p->session.number;
	return found;
}

void playlist_request_text(const struct playlist_request *p, char out[SESSION_TEXT + 1])
{
	session_name_write(key_of(p), p->channel->id, &p->session, out);
}

bool playlist_request_session(struct playlist_request *p, struct reply *r)
{
	const struct facts *f = p->q.facts;
	char text[SESSION_TEXT + 1];
	int found = http_query(p->q.http, "s", text, sizeof(text));
	bool ok = found == 1 &&
		  session_name_read(key_of(p), p->channel->id, (struct span){text, strlen(text)},
				    &p->session) == 0 &&
		  is_at_home(p);

	if (ok && p->session.link)
		p->q.until_wall_us = signature_link_read(p->session.link, p->q.region);
	if (ok && catalog_settings(f->catalog)->auth_enabled) {
		/* a link needs no token, but keeps the one that it was made with */
		p->q.token = p->session.tag
				     ? segments_token(f->segments, p->session.tag, f->wall_us)
				     : NULL;
		ok = p->q.until_wall_us
			     ? f->wall_us < p->q.until_wall_us && (p->q.token || !p->session.tag)
			     : p->q.token != NULL;
	}
	if (!ok)
		reply_error(r, 401, 0, "a valid session is needed; begin at index.m3u8");
	return ok;
}

static void refuse_session(enum session_verdict verdict, struct reply *r)
{
	switch (verdict) {
	case SESSION_ENDED:
		reply_error(r, 401, 0, SESSION_ENDED_TEXT);
		break;
	case SESSION_TOKEN_FULL:
		admission_refuse_token(r);
		break;
	case SESSION_NO_ROOM:
		reply_error(r, 503, RETRY_AFTER_S, "the server has all the viewers it may have");
		break;
	default:
		reply_error(r, 503, RETRY_AFTER_S, "no memory for the session");
	}
}

bool playlist_request_touch(const struct playlist_request *p, const struct rendition *rendition,
			    struct reply *r)
{
	const struct request *q = &p->q;
	struct session_request session = {
		.number = p->session.number,
		.channel = p->channel->id,
		.variant = playlist_request_variant(p),
		.protocol = p->protocol,
		.address = access_client(q->http, q->facts),
		.agent = http_field(q->http, "User-Agent"),
		.token_name = admission_token_name(q),
		.token_room = admission_token_room(q),
		.counted = q->token && q->token->max_viewers > 0,
		.until_wall_us = q->until_wall_us,
		.slot = rendition->output->slot,
		.target_s = rendition->target_s,
	};
	enum session_verdict verdict;

	session.located = access_region(q, session.region);
	verdict = sessions_touch(&q->facts->segments->sessions, &session);

	if (verdict != SESSION_GOES_ON)
		refuse_session(verdict, r);
	r->session = p->session.number;
	return verdict == SESSION_GOES_ON;
}
