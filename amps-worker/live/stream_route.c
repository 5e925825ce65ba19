#include "amps-worker/live/stream_route.h"

#include <string.h>

#include "amps-worker/http/access.h"
#include "amps-worker/live/admission.h"
#include "amps-worker/live/icy.h"
#include "amps-worker/live/output.h"
#include "amps-worker/live/websocket.h"
#include "common/text/address.h"
#include "common/text/text.h"

/* A request for a stream, resolved. */
struct asked {
	const struct catalog_channel *channel;
	const struct catalog_variant *variant; /* NULL = the channel's own profile */
	enum output_form form;
	enum stream_protocol protocol;
	bool named; /* the form was requested by name: the channel's own does not decide */
	bool own;   /* from a tuner of its own */
	char lang[TRACK_NAME_MAX + 1];
	struct viewer_options options;
};

static bool read_format(const struct request *q, struct asked *a, struct reply *r)
{
	char format[8];
	int found = a->protocol == STREAM_RTSP
			    ? 0
			    : http_query(q->http, "format", format, sizeof(format));

	if (found == 0)
		return true;
	if (found == 1 && strcmp(format, "ts") == 0) {
		a->named = true;
	} else if (found == 1 && strcmp(format, "mp4") == 0) {
		/* .ts says more */
		if (!a->named || a->protocol == STREAM_WEBSOCKET)
			a->form = OUTPUT_MP4;
		a->named = true;
	} else {
		reply_error(r, 400, 0, "format is neither ts nor mp4");
		return false;
	}
	return true;
}

static bool read_overlap(const struct request *q, struct asked *a, struct reply *r)
{
	static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
	char text[8];
	int found = http_query(q->http, "overlap", text, sizeof(text));

	if (found == 0)
		return true;
	for (size_t i = 0; found == 1 && i < array_size(words); i++)
		if (strcasecmp(text, words[i]) == 0) {
			a->own = i % 2;
			return true;
		}
	reply_error(r, 400, 0, "overlap is neither true nor false");
	return false;
}

static bool read_join(const struct request *q, struct asked *a, struct reply *r)
{
	char text[16];
	uint64_t value;
	int found = http_query(q->http, "join_ms", text, sizeof(text));

	if (found == 0) {
		a->options.join_ms = catalog_settings(q->facts->catalog)->join_ms;
		return true;
	}
	if (found < 0 || text_parse_u64(text, JOIN_MS_MAX, &value) < 0) {
		reply_error(r, 400, 0, "join_ms is not a number from 0 to %d", JOIN_MS_MAX);
		return false;
	}
	a->options.join_ms = (uint32_t)value;
	return true;
}

/* The language of the sound, a code of ISO 639. */
static bool read_lang(const struct request *q, struct asked *a, struct reply *r)
{
	char text[TRACK_NAME_MAX + 1];
	bool chosen = a->form == OUTPUT_ADTS || a->form == OUTPUT_MP4;
	int found = chosen ? http_query(q->http, "lang", text, sizeof(text)) : 0;
	size_t n = 0;

	if (found == 0)
		return true;
	for (; found == 1 && text[n] && (text[n] | 0x20) >= 'a' && (text[n] | 0x20) <= 'z'; n++)
		a->lang[n] = (char)(text[n] | 0x20);
	if (found == 1 && !text[n] && (n == 0 || n == 2 || n == 3))
		return true;
	reply_error(r, 400, 0, "lang is not a language code of two or three letters");
	return false;
}

/* Can this output be made?  Its form is the channel's unless it was requested by name. */
static bool can_play(const struct request *q, struct asked *a, struct reply *r)
{
	enum form form = a->variant ? a->variant->form : a->channel->form;

	if (!admission_playable(q, a->channel, a->variant, r))
		return false;
	if (!a->named && form == FORM_MSE)
		a->form = OUTPUT_MP4;
	if (!a->named && form == FORM_AUDIO)
		a->form = OUTPUT_ADTS;
	return true;
}

static const char *type_of(const struct asked *a)
{
	static const char *const types[OUTPUT_FORM_COUNT_] = {[OUTPUT_TS] = "video/mp2t",
							      [OUTPUT_ADTS] = "audio/aac",
							      [OUTPUT_MP4] = "video/mp4"};
	bool mp3 = a->variant ? a->variant->mp3 : a->channel->flags & CHANNEL_SOUND_MP3;

	return a->form == OUTPUT_ADTS && mp3 ? "audio/mpeg" : types[a->form];
}

static void add_titles(const struct request *q, const struct asked *a, struct reply *r)
{
	const char *name = catalog_text(q->facts->catalog, a->channel->name_at);

	reply_field(r, "icy-metaint", "%u", ICY_INTERVAL);
	if (name)
		reply_field(r, "icy-name", "%s", name);
}

static struct stream_params params_of(const struct request *q, const struct asked *a)
{
	const char *name = a->variant ? catalog_text(q->facts->catalog, a->variant->name_at) : "";
	struct in6_addr client = access_client(q->http, q->facts);
	struct stream_params p = {
		.id = {.channel = a->channel->id, .form = a->form},
		.own = a->own,
		.address = a->own ? address_client(&client) : 0,
		.client = client,
		.protocol = a->protocol,
		.until_wall_us = q->until_wall_us,
		.titles = a->form == OUTPUT_ADTS && icy_asked(q->http),
		.counted = q->token && q->token->max_viewers > 0,
		.limited = q->token && !(q->token->flags & TOKEN_SHARED),
		.options = a->options,
		.token = admission_token_name(q),
	};

	p.located = access_region(q, p.region);
	text_copy(p.id.variant, sizeof(p.id.variant), name ? name : "");
	text_copy(p.id.track, sizeof(p.id.track), a->lang);
	return p;
}

static void start_stream(const struct request *q, const struct asked *a, struct reply *r)
{
	struct stream_params *p = malloc(sizeof(*p));

	if (!p) {
		reply_error(r, 503, RETRY_AFTER_S, "no memory for the stream");
		return;
	}
	*p = params_of(q, a);
	r->kind = REPLY_STREAM;
	r->status = stream_status(p);
	r->type = a->protocol == STREAM_HTTP ? type_of(a) : NULL;
	r->stream = p;
	r->channel = p->id.channel;
	r->variant = p->id.variant;
	reply_field(r, "Cache-Control", "no-store");
	if (p->titles)
		add_titles(q, a, r);
}

/* Accepts the handshake with the answer that the stream will have. */
static bool upgrade(const struct request *q, struct reply *r)
{
	char accept[WEBSOCKET_ACCEPT + 1];
	const char *reason;
	int status = websocket_judge(q->http, &reason);

	if (status) {
		reply_error(r, status, 0, "%s", reason);
		if (status == 426) {
			reply_field(r, "Upgrade", "websocket");
			reply_field(r, "Sec-WebSocket-Version", "13");
		}
		return false;
	}
	websocket_accept(q->http, accept);
	reply_field(r, "Upgrade", "websocket");
	reply_field(r, "Sec-WebSocket-Accept", "%s", accept);
	if (websocket_offers(q->http, WEBSOCKET_PROTOCOL))
		reply_field(r, "Sec-WebSocket-Protocol", WEBSOCKET_PROTOCOL);
	return true;
}

static bool read_request(const struct request *q, struct asked *a, struct reply *r)
{
	a->channel = admission_channel(q, q->segment[0], r);
	if (!a->channel || !admission_allowed(q, a->channel, r))
		return false;
	if (!admission_variant(q, a->channel, r, &a->variant) || !read_format(q, a, r) ||
	    !read_overlap(q, a, r) || !read_join(q, a, r) || !can_play(q, a, r) ||
	    !read_lang(q, a, r))
		return false;
	if (admission_token_room(q))
		return true;
	admission_refuse_token(r);
	return false;
}

static void answer(const struct request *q, struct asked a, struct reply *r)
{
	if (read_request(q, &a, r) && (a.protocol == STREAM_HTTP || upgrade(q, r)))
		start_stream(q, &a, r);
}

bool stream_route_params(const struct request *q, struct stream_params *ret, struct reply *r)
{
	struct asked a = {.form = OUTPUT_TS, .protocol = STREAM_RTSP, .named = true};

	if (!read_request(q, &a, r))
		return false;
	*ret = params_of(q, &a);
	return true;
}

void stream_route_ts(const struct request *q, struct reply *r)
{
	answer(q, (struct asked){.form = OUTPUT_TS, .named = true}, r);
}

void stream_route_any(const struct request *q, struct reply *r)
{
	answer(q, (struct asked){.form = OUTPUT_TS}, r);
}

void stream_route_websocket(const struct request *q, struct reply *r)
{
	answer(q, (struct asked){.form = OUTPUT_TS, .protocol = STREAM_WEBSOCKET, .named = true},
	       r);
}

void stream_route_audio(const struct request *q, struct reply *r)
{
	answer(q, (struct asked){.form = OUTPUT_ADTS, .named = true}, r);
}
