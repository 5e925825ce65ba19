/* hls_route.c - see hls_route.h */
#include "amps-worker/segments/hls_route.h"

#include <assert.h>
#include <string.h>

#include "amps-worker/context/context.h"
#include "amps-worker/http/access.h"
#include "amps-worker/live/admission.h"
#include "amps-worker/segments/hls_answer.h"
#include "amps-worker/segments/media_file.h"
#include "common/text/text.h"

#define SEGMENT_AGE_S 3600 /* a cache may keep a segment so long; its bytes never change */

/* A request for a playlist: the client, and what it asks for. */
struct playlist_request {
	struct request q; /* with the token of its session */
	const struct catalog_channel *channel;
	const struct catalog_variant *variant;
	struct session_name session;
};

static uint64_t token_tag(const struct segments *s, const struct token_entry *token)
{
	return token ? signature_token(s->context->media_key, token->token,
				       strnlen(token->token, TOKEN_BYTES_MAX))
		     : 0;
}

static const char *variant_name(const struct playlist_request *p)
{
	const char *name =
		p->variant ? catalog_text(p->q.facts->catalog, p->variant->name_at) : NULL;

	return name ? name : "";
}

static bool find_what(struct playlist_request *p, struct reply *r)
{
	return admission_allowed(&p->q, p->channel, r) &&
	       admission_variant(&p->q, p->channel, r, &p->variant) &&
	       admission_playable(&p->q, p->channel, p->variant, r);
}

static void refuse_session(enum session_verdict verdict, struct reply *r)
{
	switch (verdict) {
	case SESSION_ENDED:
		reply_error(r, 401, 0, "the session was ended");
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

static bool touch(const struct playlist_request *p, const struct rendition *rendition,
		  struct reply *r)
{
	const struct request *q = &p->q;
	struct segments *s = q->facts->segments;
	struct session_request session = {
		.number = p->session.number,
		.channel = p->channel->id,
		.variant = variant_name(p),
		.address = access_client(q->http, q->facts),
		.agent = http_field(q->http, "User-Agent"),
		.token_name = admission_token_name(q->token),
		.token_room = admission_token_room(q),
		.slot = rendition->output->slot,
		.target_s = rendition->target_s,
	};
	enum session_verdict verdict = sessions_touch(&s->sessions, &session);

	if (verdict != SESSION_GOES_ON)
		refuse_session(verdict, r);
	return verdict == SESSION_GOES_ON;
}

/* Answers with the playlist `asked` describes but for channel and variant. */
static void answer(const struct playlist_request *p, struct hls_asked *asked, bool begins,
		   struct reply *r)
{
	struct segments *s = p->q.facts->segments;
	struct rendition_request want = {
		.channel = p->channel->id, .variant = variant_name(p), .begins = begins};
	struct rendition *rendition = rendition_get(&s->renditions, &want);

	assert(p->session.number != 0);
	if (!rendition) {
		reply_error(r, 503, RETRY_AFTER_S, "no memory for the channel");
		return;
	}
	if (!touch(p, rendition, r))
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

void hls_route_index(const struct request *q, struct reply *r)
{
	const struct segments *s = q->facts->segments;
	bool by_query = catalog_settings(q->facts->catalog)->flags & SETTING_REGION_QUERY;
	struct hls_asked asked = {.multivariant = true};
	struct playlist_request p = {.q = *q};

	p.channel = admission_channel(q, q->segment[0], r);
	if (!p.channel || !find_what(&p, r) || answer_head(q, r))
		return;
	p.session = (struct session_name){sessions_number(&s->sessions), token_tag(s, q->token)};
	session_name_write(s->context->media_key, p.channel->id, &p.session, asked.session);
	asked.alone = p.variant != NULL;
	if (by_query)
		access_region(q->http, q->facts, asked.region);
	answer(&p, &asked, true, r);
}

/* One viewer as long as nothing about it changes. */
static void name_viewer(struct playlist_request *p)
{
	const struct request *q = &p->q;
	const struct segments *s = q->facts->segments;
	struct in6_addr address = access_client(q->http, q->facts);

	p->session.tag = token_tag(s, q->token);
	p->session.number = signature_viewer(s->context->media_key, p->channel->id, p->session.tag,
					     address.s6_addr, http_field(q->http, "User-Agent"));
}

void hls_route_single(const struct request *q, struct reply *r)
{
	struct hls_asked asked = {.beside = true};
	struct playlist_request p = {.q = *q};

	p.channel = admission_channel(q, q->segment[0], r);
	if (!p.channel || !find_what(&p, r) || answer_head(q, r))
		return;
	name_viewer(&p);
	answer(&p, &asked, false, r);
}

/* Sets the token of the session in ?s=; false, and 401, if it is not one of this channel or its
 * token is no longer valid. */
static bool read_session(struct playlist_request *p, struct reply *r)
{
	const struct facts *f = p->q.facts;
	struct segments *s = f->segments;
	char text[SESSION_TEXT + 1];
	int found = http_query(p->q.http, "s", text, sizeof(text));
	bool ok = found == 1 &&
		  session_name_read(s->context->media_key, p->channel->id,
				    (struct span){text, strlen(text)}, &p->session) == 0;

	if (ok && catalog_settings(f->catalog)->auth_enabled) {
		p->q.token = segments_token(s, p->session.tag, f->wall_us);
		ok = p->q.token != NULL;
	}
	if (!ok)
		reply_error(r, 401, 0, "a valid session is needed; begin at index.m3u8");
	return ok;
}

void hls_route_media(const struct request *q, struct reply *r)
{
	struct playlist_request p = {.q = *q};
	struct hls_asked asked = {0};

	p.channel = admission_channel(q, q->segment[0], r);
	if (p.channel && read_session(&p, r) && find_what(&p, r))
		answer(&p, &asked, false, r);
}

/* A number as it stands in an address: one file has one address. */
static bool read_number(struct span text, uint64_t max, uint32_t *ret)
{
	uint64_t n = 0;

	if (!text.len || text.len > 10 || (text.at[0] == '0' && text.len > 1))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text.at[i] - '0');
	}
	*ret = (uint32_t)n;
	return n <= max;
}

void hls_route_segment(const struct request *q, struct reply *r)
{
	struct segments *s = q->facts->segments;
	struct span signature = q->segment[1];
	struct in6_addr address = access_client(q->http, q->facts);
	struct media_name name;
	int64_t written_s;
	int e;

	if (!read_number(q->segment[0], CHANNEL_ID_MAX, &name.channel) ||
	    !read_number(q->segment[2], VARIANTS_MAX, &name.track) ||
	    !read_number(q->segment[3], SEGMENT_NUMBER_MAX, &name.number)) {
		reply_error(r, 404, 0, "there is no such segment");
		return;
	}
	e = media_file_open(s->context->media_fd, &name, &r->file, &written_s);
	if (e < 0) {
		if (e == -ENOENT)
			reply_error(r, 404, 0, "there is no such segment");
		else
			reply_error(r, 503, RETRY_AFTER_S, "the segment cannot be opened");
		return;
	}
	if (!signature_matches(s->context->media_key, name.channel, written_s, signature)) {
		reply_error(r, 403, 0, "the signature is not that of this segment");
		return;
	}
	r->kind = REPLY_FILE;
	r->type = "video/mp2t";
	r->sent = sessions_of_client(&s->sessions, name.channel, &address,
				     http_field(q->http, "User-Agent"));
	reply_field(r, "Cache-Control", "public, max-age=%d, immutable", SEGMENT_AGE_S);
}

void hls_route_nothing(const struct request *q, struct reply *r)
{
	(void)q;
	reply_error(r, 404, 0, "there is nothing at this address");
}
