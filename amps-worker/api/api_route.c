#include "amps-worker/api/api_route.h"

#include <stdio.h>
#include <string.h>

#include "amps-worker/api/api.h"
#include "amps-worker/http/access.h"
#include "amps-worker/http/body_cache.h"
#include "common/text/text.h"
#include "page_openapi_json.h"

/* The texts of one call. */
struct texts {
	char key[TUNER_KEY_MAX];
	char match[1024];
	char token[TOKEN_BYTES_MAX + 1];
	char region[3];
	char group[HTTP_LINE_MAX], ids[HTTP_LINE_MAX], search[1024];
};

static struct msg_api_call call_of(enum api_operation operation, const struct request *q,
				   struct texts *t)
{
	*t = (struct texts){0};
	if (q->token && access_token_text(q->http, t->token, sizeof(t->token)) != 1)
		t->token[0] = '\0';
	return (struct msg_api_call){.operation = (uint8_t)operation,
				     .key = t->key,
				     .match = t->match,
				     .token = t->token,
				     .region = t->region,
				     .group = t->group,
				     .ids = t->ids,
				     .search = t->search,
				     .limit = UINT32_MAX};
}

/* Does the Origin field, if there is one, name this server?  A page of another site may send
 * requests from a browser that stands inside.  The server's own page may be open at its own address
 * as well as at server.public_url. */
static bool is_own_origin(const struct request *q)
{
	struct span origin = http_field(q->http, "Origin"), host, asked = q->http->host;
	const char *at = origin.len ? memmem(origin.at, origin.len, "://", 3) : NULL;
	char base[BASE_URL_MAX], *own;

	if (!origin.at)
		return true;
	access_base_url(q->http, q->facts, base, sizeof(base));
	own = strstr(base, "://");
	if (!at || !own)
		return false;
	/* a proxy may have added TLS, so the schemes may differ; server.public_url may have a path
	 */
	own += 3;
	own[strcspn(own, "/")] = '\0';
	at += 3;
	host = (struct span){at, (size_t)(origin.at + origin.len - at)};
	if (host.len > 0 && host.len == asked.len && strncasecmp(host.at, asked.at, host.len) == 0)
		return true;
	return span_is_nocase(host, own);
}

static bool is_json(struct span type)
{
	const char *end = type.len ? memchr(type.at, ';', type.len) : NULL;

	if (end)
		type.len = (size_t)(end - type.at);
	return span_is_nocase(span_trim(type), "application/json");
}

static void refuse_host(const struct request *q, struct reply *r)
{
	reply_error(r, 403, 0,
		    "'%.*s' is not known to be a name of this server; set server.public_url or "
		    "server.allowed_hosts",
		    (int)q->http->host.len, q->http->host.at);
}

/* Answers with an error, and returns false, unless the client may write. */
static bool admit_write(const struct request *q, struct reply *r)
{
	bool auth = catalog_settings(q->facts->catalog)->auth_enabled;
	bool has_body = q->http->chunked || q->http->content_length > 0;

	if (!auth && !is_own_origin(q))
		reply_error(r, 403, 0, "a page of another site may not change this server");
	else if (!auth && http_field(q->http, "Origin").at && !access_host_known(q->http, q->facts))
		refuse_host(q, r);
	else if (has_body && !is_json(http_field(q->http, "Content-Type")))
		reply_error(r, 415, 0, "the Content-Type of the body must be application/json");
	else
		return true;
	return false;
}

static bool admit_admin(const struct request *q, struct reply *r)
{
	if (route_is_admin(q))
		return true;
	reply_error(r, 403, 0, "this needs an administrator's token");
	return false;
}

static bool admit_change(const struct request *q, struct reply *r)
{
	return admit_admin(q, r) && admit_write(q, r);
}

static bool admit_body(const struct request *q, struct reply *r)
{
	if (!admit_change(q, r))
		return false;
	if (q->http->body.len)
		return true;
	if (is_json(http_field(q->http, "Content-Type")))
		reply_error(r, 400, 0, "the request has no body");
	else
		reply_error(r, 415, 0, "the Content-Type of the body must be application/json");
	return false;
}

/* A number of the path, or an error. */
static bool read_number(const struct request *q, struct reply *r, uint64_t max, uint64_t *ret)
{
	char text[32];

	if (q->segments && http_decode_segment(q->segment[0], text, sizeof(text)) == 0 &&
	    text_parse_u64(text, max, ret) == 0)
		return true;
	reply_error(r, 404, 0, "there is nothing at this address");
	return false;
}

static bool read_text_parameter(const struct request *q, struct reply *r, const char *name,
				char *dst, size_t cap)
{
	if (http_query(q->http, name, dst, cap) >= 0)
		return true;
	reply_error(r, 400, 0, "the parameter '%s' is malformed or too long", name);
	return false;
}

static bool read_count(const struct request *q, struct reply *r, const char *name, uint32_t *ret)
{
	char text[16] = "";
	uint64_t value;

	if (!read_text_parameter(q, r, name, text, sizeof(text)))
		return false;
	if (!text[0])
		return true;
	if (text_parse_u64(text, UINT32_MAX, &value) < 0) {
		reply_error(r, 400, 0, "the parameter '%s' must be a whole number", name);
		return false;
	}
	*ret = (uint32_t)value;
	return true;
}

/* "false", "no" and "0" are off; any other text is on. */
static bool read_switch(const struct request *q, struct reply *r, const char *name, bool *ret)
{
	char text[16] = "";

	if (!read_text_parameter(q, r, name, text, sizeof(text)))
		return false;
	if (text[0])
		*ret = strcasecmp(text, "false") != 0 && strcasecmp(text, "no") != 0 &&
		       strcmp(text, "0") != 0;
	return true;
}

static bool read_filters(const struct request *q, struct reply *r, struct texts *t,
			 struct msg_api_call *m)
{
	bool all = true;

	if (!read_text_parameter(q, r, "group", t->group, sizeof(t->group)) ||
	    !read_text_parameter(q, r, "ids", t->ids, sizeof(t->ids)) ||
	    !read_text_parameter(q, r, "q", t->search, sizeof(t->search)) ||
	    !read_switch(q, r, "variants", &all) || !read_count(q, r, "limit", &m->limit) ||
	    !read_count(q, r, "offset", &m->offset))
		return false;
	m->no_variants = !all;
	return true;
}

/* If-Match, which a change of an entry may have. */
static bool read_match(const struct request *q, struct reply *r, struct texts *t)
{
	struct span match = http_field(q->http, "If-Match");

	if (match.len >= sizeof(t->match)) {
		reply_error(r, 400, 0, "the If-Match field is too long");
		return false;
	}
	if (match.len)
		memcpy(t->match, match.at, match.len);
	return true;
}

/* Without authentication, server.allowed_hosts keeps pages of other sites from reading, too. */
static bool admit_host(const struct request *q, struct reply *r)
{
	const struct catalog_settings *s = catalog_settings(q->facts->catalog);

	if (s->auth_enabled || !s->allowed_hosts_at || access_host_known(q->http, q->facts))
		return true;
	refuse_host(q, r);
	return false;
}

static bool may_ask_master(const struct request *q, struct reply *r)
{
	if (!admit_host(q, r))
		return false;
	if (!q->facts->api)
		reply_error(r, 503, RETRY_AFTER_S, "the server cannot be asked");
	return q->facts->api != NULL;
}

static void send_call(const struct request *q, struct msg_api_call *m, struct reply *r)
{
	if (may_ask_master(q, r))
		api_call(q->facts->api, m, q, r);
}

void api_streams(const struct request *q, struct reply *r)
{
	bool reads = q->http->method != HTTP_POST;
	struct texts t;
	struct msg_api_call m = call_of(reads ? API_STREAMS : API_STREAM_ADD, q, &t);

	if (reads) {
		access_named_region(q, t.region);
		if (read_filters(q, r, &t, &m))
			send_call(q, &m, r);
	} else if (admit_body(q, r)) {
		send_call(q, &m, r);
	}
}

/* Sends a call about the channel that the path names. */
static void send_entry_call(const struct request *q, struct msg_api_call *m, struct texts *t,
			    struct reply *r)
{
	access_named_region(q, t->region);
	if (read_number(q, r, CHANNEL_ID_MAX, &m->id) && read_match(q, r, t))
		send_call(q, m, r);
}

void api_stream(const struct request *q, struct reply *r)
{
	enum http_method method = q->http->method;
	bool puts = method == HTTP_PUT || method == HTTP_PATCH;
	enum api_operation operation = puts		       ? API_STREAM_CHANGE
				       : method == HTTP_DELETE ? API_STREAM_DELETE
							       : API_STREAM;
	struct texts t;
	struct msg_api_call m = call_of(operation, q, &t);

	if (puts ? admit_body(q, r) : method != HTTP_DELETE || admit_change(q, r))
		send_entry_call(q, &m, &t, r);
}

void api_programs(const struct request *q, struct reply *r)
{
	bool puts = q->http->method == HTTP_PUT;
	struct texts t;
	struct msg_api_call m = call_of(puts ? API_PROGRAMS_CHANGE : API_PROGRAMS, q, &t);

	if (!puts || admit_body(q, r))
		send_entry_call(q, &m, &t, r);
}

/* Sends a call without parameters. */
static void send_plain(const struct request *q, struct reply *r, enum api_operation operation,
		       bool (*admit)(const struct request *q, struct reply *r))
{
	struct texts t;
	struct msg_api_call m = call_of(operation, q, &t);

	if (admit(q, r))
		send_call(q, &m, r);
}

void api_profiles(const struct request *q, struct reply *r)
{
	send_plain(q, r, API_PROFILES, admit_admin);
}

void api_plugins(const struct request *q, struct reply *r)
{
	send_plain(q, r, API_PLUGINS, admit_admin);
}

void api_status(const struct request *q, struct reply *r)
{
	send_plain(q, r, API_STATUS, admit_admin);
}

void api_guide_matches(const struct request *q, struct reply *r)
{
	send_plain(q, r, API_GUIDE_MATCHES, admit_admin);
}

void api_tuners(const struct request *q, struct reply *r)
{
	send_plain(q, r, API_TUNERS, admit_admin);
}

void api_viewers(const struct request *q, struct reply *r)
{
	send_plain(q, r, API_VIEWERS, admit_admin);
}

/* The key of a tuner in the path, or an error. */
static bool read_key(const struct request *q, struct reply *r, struct texts *t)
{
	char id[16], variant[VARIANT_NAME_MAX] = "";

	if (http_decode_segment(q->segment[0], id, sizeof(id)) < 0 ||
	    (q->segments > 1 && http_decode_segment(q->segment[1], variant, sizeof(variant)) < 0)) {
		reply_error(r, 404, 0, "there is nothing at this address");
		return false;
	}
	snprintf(t->key, sizeof(t->key), "%s%s%s", id, q->segments > 1 ? "/" : "", variant);
	return true;
}

void api_tuner(const struct request *q, struct reply *r)
{
	struct texts t;
	struct msg_api_call m = call_of(API_TUNER_STOP, q, &t);

	if (admit_change(q, r) && read_key(q, r, &t))
		send_call(q, &m, r);
}

void api_why(const struct request *q, struct reply *r)
{
	struct texts t;
	struct msg_api_call m = call_of(API_WHY, q, &t);

	if (admit_admin(q, r) && read_key(q, r, &t))
		send_call(q, &m, r);
}

void api_viewer(const struct request *q, struct reply *r)
{
	struct texts t;
	struct msg_api_call m = call_of(API_VIEWER_KICK, q, &t);

	if (admit_change(q, r) && read_number(q, r, INT64_MAX, &m.id))
		send_call(q, &m, r);
}

void api_reload(const struct request *q, struct reply *r)
{
	send_plain(q, r, API_RELOAD, admit_change);
}

void api_import(const struct request *q, struct reply *r)
{
	struct texts t;
	struct msg_api_call m = call_of(API_IMPORT, q, &t);
	bool dry = false;

	if (!admit_body(q, r) || !read_switch(q, r, "dry_run", &dry))
		return;
	m.dry_run = dry;
	send_call(q, &m, r);
}

void api_probe(const struct request *q, struct reply *r)
{
	send_plain(q, r, API_PROBE, admit_body);
}

void api_links(const struct request *q, struct reply *r)
{
	char base[BASE_URL_MAX];
	struct texts t;
	struct msg_api_call m = call_of(API_LINK, q, &t);

	if (!admit_body(q, r))
		return;
	access_base_url(q->http, q->facts, base, sizeof(base));
	m.match = base;
	send_call(q, &m, r);
}

void api_tokens(const struct request *q, struct reply *r)
{
	if (q->http->method == HTTP_POST)
		send_plain(q, r, API_TOKEN_ADD, admit_body);
	else
		send_plain(q, r, API_TOKENS, admit_admin);
}

void api_token(const struct request *q, struct reply *r)
{
	struct texts t;
	struct msg_api_call m = call_of(API_TOKEN_REVOKE, q, &t);

	if (!admit_change(q, r))
		return;
	if (http_decode_segment(q->segment[0], t.key, sizeof(t.key)) == 0)
		send_call(q, &m, r);
	else
		reply_error(r, 404, 0, "there is no such token");
}

void api_log(const struct request *q, struct reply *r)
{
	struct texts t;
	struct msg_api_call m = call_of(API_LOG, q, &t);

	if (admit_admin(q, r) && read_text_parameter(q, r, "level", t.key, sizeof(t.key)) &&
	    read_text_parameter(q, r, "q", t.search, sizeof(t.search)) &&
	    read_count(q, r, "limit", &m.limit))
		send_call(q, &m, r);
}

void api_description(const struct request *q, struct reply *r)
{
	const struct facts *f = q->facts;

	r->shared = body_cache_text(f->cache, "openapi.json", OPENAPI_JSON, "application/json",
				    f->wall_us);
	if (!r->shared) {
		reply_error(r, 503, RETRY_AFTER_S, "no memory to send the description");
		return;
	}
	r->kind = REPLY_SHARED;
	reply_field(r, "Cache-Control", "no-cache");
}

void api_events(const struct request *q, struct reply *r)
{
	struct span id = http_field(q->http, "Last-Event-ID");
	char text[24] = "";
	uint64_t after = 0;

	if (id.len && id.len < sizeof(text))
		memcpy(text, id.at, id.len);
	/* a number that this server never gave: send all that is kept */
	if (id.at && text_parse_u64(text, UINT64_MAX, &after) < 0)
		after = 1;
	if (q->http->method == HTTP_HEAD) {
		r->type = "text/event-stream";
		r->unsized = true;
		return;
	}
	if (may_ask_master(q, r))
		events_answer(&q->facts->api->events, q, after, r);
}

void api_unknown(const struct request *q, struct reply *r)
{
	if (admit_admin(q, r))
		reply_error(r, 404, 0, "there is nothing at this address");
}
