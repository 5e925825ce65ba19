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

/* The sound of CMAF is a rendition of its own, which a multivariant playlist needs as well. */
static bool get_sound(const struct playlist_request *p, const struct hls_asked *asked, bool begins,
		      struct reply *r)
{
	struct rendition_request want = {.channel = p->channel->id,
					 .variant = variant_name(p),
					 .form = OUTPUT_CMAF_SOUND,
					 .begins = begins};

	if (asked->what != HLS_MULTIVARIANT || asked->form == OUTPUT_HLS_TS)
		return true;
	if (rendition_get(&p->q.facts->segments->renditions, &want))
		return true;
	reply_error(r, 503, RETRY_AFTER_S, "no memory for the channel");
	return false;
}

/* Answers with the playlist `asked` describes but for channel and variant. */
static void answer(const struct playlist_request *p, struct hls_asked *asked, bool begins,
		   struct reply *r)
{
	struct segments *s = p->q.facts->segments;
	struct rendition_request want = {.channel = p->channel->id,
					 .variant = variant_name(p),
					 .form = asked->form,
					 .begins = begins};
	struct rendition *rendition = rendition_get(&s->renditions, &want);

	assert(p->session.number != 0);
	if (!rendition) {
		reply_error(r, 503, RETRY_AFTER_S, "no memory for the channel");
		return;
	}
	if (!touch(p, rendition, r) || !get_sound(p, asked, begins, r))
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
	const struct segments *s = q->facts->segments;
	bool by_query = catalog_settings(q->facts->catalog)->flags & SETTING_REGION_QUERY;
	struct hls_asked asked = {.what = HLS_MULTIVARIANT};
	struct playlist_request p = {.q = *q};

	p.channel = admission_channel(q, q->segment[0], r);
	if (!p.channel)
		return;
	asked.form = usual_form(q, p.channel);
	if (!read_type(q, &asked.form, r) || !find_what(&p, r) || answer_head(q, r))
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
	struct hls_asked asked = {.what = HLS_MEDIA, .form = OUTPUT_HLS_TS, .beside = true};
	struct playlist_request p = {.q = *q};

	p.channel = admission_channel(q, q->segment[0], r);
	if (!p.channel || !read_type(q, &asked.form, r))
		return;
	if (asked.form != OUTPUT_HLS_TS) {
		reply_error(r, 400, 0,
			    "the sound of cmaf has a playlist of its own; use index.m3u8");
		return;
	}
	if (!find_what(&p, r) || answer_head(q, r))
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

/* A delivery directive that is a number: 1, 0 (not there) or -1 (wrong). */
static int read_directive(const struct request *q, const char *name, uint32_t *ret)
{
	char text[16];
	int found = http_query(q->http, name, text, sizeof(text));

	if (found != 1)
		return found;
	return read_number((struct span){text, strlen(text)}, UINT32_MAX - 1, ret) ? 1 : -1;
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
	struct playlist_request p = {.q = *q};
	struct hls_asked asked = {.what = HLS_MEDIA};

	p.channel = admission_channel(q, q->segment[0], r);
	if (p.channel && read_session(&p, r) && find_what(&p, r) && read_track(q, &asked, r) &&
	    read_delivery(q, &asked, r)) {
		/* for its reports of other playlists */
		if (http_query(q->http, "s", asked.session, sizeof(asked.session)) != 1)
			asked.session[0] = '\0';
		if (http_query(q->http, "region", asked.region, sizeof(asked.region)) != 1)
			asked.region[0] = '\0';
		answer(&p, &asked, false, r);
	}
}

/* "123.ts", "v123.m4s", "a123.mp4", or "vp123.m4s", which is a part.  False: no name of ours. */
static bool read_name(struct span text, struct media_name *name, bool *ret_part)
{
	static const struct {
		const char *before, *behind;
		char kind;
		bool init, part;
	} shapes[] = {{"", ".ts", 0, false, false},	{"vp", ".m4s", 'v', false, true},
		      {"ap", ".m4s", 'a', false, true}, {"v", ".m4s", 'v', false, false},
		      {"a", ".m4s", 'a', false, false}, {"v", ".mp4", 'v', true, false},
		      {"a", ".mp4", 'a', true, false}};

	for (size_t i = 0; i < array_size(shapes); i++) {
		size_t before = strlen(shapes[i].before), behind = strlen(shapes[i].behind);
		struct span digits = {text.at + before, text.len - before - behind};

		if (text.len <= before + behind || memcmp(text.at, shapes[i].before, before) != 0 ||
		    memcmp(text.at + text.len - behind, shapes[i].behind, behind) != 0 ||
		    !read_number(digits, UINT32_MAX - 1, &name->number))
			continue;
		name->kind = shapes[i].kind;
		name->init = shapes[i].init;
		*ret_part = shapes[i].part;
		return true;
	}
	return false;
}

static void count_bytes(const struct request *q, uint32_t channel, struct reply *r)
{
	struct segments *s = q->facts->segments;
	struct in6_addr address = access_client(q->http, q->facts);

	r->sent = sessions_of_client(&s->sessions, channel, &address,
				     http_field(q->http, "User-Agent"));
}

static void refuse_signature(struct reply *r)
{
	reply_error(r, 403, 0, "the signature is not that of this segment");
}

/* A part is found in the index, which says in which file it is; the next one may be waited for. */
static void answer_part(const struct request *q, const struct media_name *name, struct reply *r)
{
	struct segments *s = q->facts->segments;
	struct rendition *rendition;
	struct segment newest;
	struct hls_asked asked = {.what = HLS_PART,
				  .channel = name->channel,
				  .form = name->kind == 'a' ? OUTPUT_CMAF_SOUND
							    : OUTPUT_CMAF_PICTURE,
				  .part = name->number};

	if (!signature_matches(s->context->media_key, name->channel, signature_part_s(name->number),
			       q->segment[1])) {
		refuse_signature(r);
		return;
	}
	rendition = rendition_of_track(&s->renditions, name->channel, name->track, asked.form);
	/* what will never be, or cannot be known here */
	if (!rendition || !rendition_newest(rendition, &newest) || asked.part > newest.part + 1) {
		reply_error(r, 404, 0, "there is no such part");
		return;
	}
	count_bytes(q, name->channel, r);
	hls_answer_or_hold(s, rendition, &asked, r);
}

/* The signature of a file that grew over the change of the signature may be the earlier one. */
static bool is_signed(const struct segments *s, const struct media_name *name, int64_t written_s,
		      struct span signature)
{
	const uint8_t *key = s->context->media_key;

	if (name->init)
		written_s = SIGNATURE_INIT_S;
	return signature_matches(key, name->channel, written_s, signature) ||
	       (name->kind && !name->init &&
		signature_matches(key, name->channel, written_s - (int64_t)SEGMENT_SECONDS_MAX,
				  signature));
}

void hls_route_segment(const struct request *q, struct reply *r)
{
	struct segments *s = q->facts->segments;
	struct span signature = q->segment[1];
	struct media_name name = {0};
	int64_t written_s;
	bool part = false;
	int e;

	if (!read_number(q->segment[0], CHANNEL_ID_MAX, &name.channel) ||
	    !read_number(q->segment[2], VARIANTS_MAX, &name.track) ||
	    !read_name(q->segment[3], &name, &part)) {
		reply_error(r, 404, 0, "there is no such segment");
		return;
	}
	if (part) {
		answer_part(q, &name, r);
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
	if (!is_signed(s, &name, written_s, signature)) {
		refuse_signature(r);
		return;
	}
	r->kind = REPLY_FILE;
	r->type = name.kind ? "video/mp4" : "video/mp2t";
	count_bytes(q, name.channel, r);
	reply_field(r, "Cache-Control", "public, max-age=%d, immutable", SEGMENT_AGE_S);
}

void hls_route_nothing(const struct request *q, struct reply *r)
{
	(void)q;
	reply_error(r, 404, 0, "there is nothing at this address");
}
