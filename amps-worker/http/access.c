#include "amps-worker/http/access.h"

#include <assert.h>
#include <arpa/inet.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/text/link.h"
#include "common/text/text.h"

#define BASIC_USER_MAX 256u

static int copy_span(struct span s, char *dst, size_t cap)
{
	if (s.len >= cap)
		return -EINVAL;
	memcpy(dst, s.at, s.len);
	dst[s.len] = '\0';
	return 1;
}

/* "token.SGVsbG8" among subprotocols; an element of a list cannot contain padding. */
static int protocol_token(struct span list, char *dst, size_t cap)
{
	static const char before[] = "token.";
	struct base64_decode_ctx decode;
	struct span e;
	size_t n;

	while (http_next_element(&list, &e)) {
		if (e.len < sizeof(before) || memcmp(e.at, before, sizeof(before) - 1) != 0)
			continue;
		e.at += sizeof(before) - 1;
		e.len -= sizeof(before) - 1;
		n = e.len * 3 / 4;
		base64url_decode_init(&decode);
		if (n >= cap || e.len % 4 == 1 ||
		    !base64_decode_update(&decode, &n, (uint8_t *)dst, e.len, e.at) ||
		    memchr(dst, '\0', n))
			return -EINVAL;
		dst[n] = '\0';
		return 1;
	}
	return 0;
}

/* "dXNlcjpwYXNzd29yZA==": the password. */
static int basic_token(struct span value, char *dst, size_t cap)
{
	char text[BASIC_USER_MAX + 1 + TOKEN_BYTES_MAX];
	struct base64_decode_ctx decode;
	const char *colon;
	size_t n = sizeof(text);

	value = span_trim(value);
	if (BASE64_DECODE_LENGTH(value.len) > sizeof(text))
		return -EINVAL;
	base64_decode_init(&decode);
	if (!base64_decode_update(&decode, &n, (uint8_t *)text, value.len, value.at) ||
	    !base64_decode_final(&decode) || memchr(text, '\0', n))
		return -EINVAL;
	colon = memchr(text, ':', n);
	if (!colon)
		return -EINVAL;
	return copy_span((struct span){colon + 1, (size_t)(text + n - colon - 1)}, dst, cap);
}

int access_token_text(const struct http_request *http, char *dst, size_t cap)
{
	struct span own = http_field(http, "X-Amps-Token");
	struct span bearer = http_field(http, "Authorization");
	int r;

	if (own.at)
		return copy_span(own, dst, cap);
	if (bearer.len > 7 && strncasecmp(bearer.at, "Bearer ", 7) == 0) {
		for (bearer.at += 7, bearer.len -= 7; bearer.len && *bearer.at == ' '; bearer.len--)
			bearer.at++;
		return copy_span(bearer, dst, cap);
	}
	if (http->rtsp && bearer.len > 6 && strncasecmp(bearer.at, "Basic ", 6) == 0)
		return basic_token((struct span){bearer.at + 6, bearer.len - 6}, dst, cap);
	r = protocol_token(http_field(http, "Sec-WebSocket-Protocol"), dst, cap);
	if (r == 0)
		r = http_query(http, "token", dst, cap);
	return r < 0 ? -EINVAL : r;
}

bool access_has_token(const struct http_request *http)
{
	char text[TOKEN_BYTES_MAX + 1];
	int r = access_token_text(http, text, sizeof(text));

	return r < 0 || (r == 1 && text[0]);
}

const struct token_entry *access_token(const struct http_request *http, const struct facts *facts)
{
	char text[TOKEN_BYTES_MAX + 1];

	if (!facts->tokens || access_token_text(http, text, sizeof(text)) != 1 || !text[0])
		return NULL;
	return tokens_find(facts->tokens, text, strlen(text), facts->wall_us);
}

static bool cidr_holds(const struct catalog_cidr *cidr, const struct in6_addr *address)
{
	unsigned bits = MIN(cidr->prefix_bits, 128);
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(cidr->address, address->s6_addr, whole) != 0)
		return false;
	return rest == 0 || ((cidr->address[whole] ^ address->s6_addr[whole]) >> (8 - rest)) == 0;
}

static bool is_proxy(const struct facts *facts, const struct in6_addr *address)
{
	const struct catalog_cidr *proxies = catalog_proxies(facts->catalog);
	uint32_t n = proxies ? catalog_settings(facts->catalog)->proxy_count : 0;

	for (uint32_t i = 0; i < n; i++)
		if (cidr_holds(&proxies[i], address))
			return true;
	return false;
}

bool access_peer_trusted(const struct facts *facts)
{
	return is_proxy(facts, &facts->peer);
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80". */
static bool parse_address(struct span s, struct in6_addr *ret)
{
	char text[INET6_ADDRSTRLEN + 8], *at = text, *colon;

	if (s.len >= sizeof(text))
		return false;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	colon = strchr(text, ':');
	if (text[0] == '[') {
		at++;
		at[strcspn(at, "]")] = '\0';
	} else if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
	}
	if (inet_pton(AF_INET6, at, ret) == 1)
		return true;
	*ret = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
	return inet_pton(AF_INET, at, &ret->s6_addr[12]) == 1;
}

/* Takes the last element off a list. */
static struct span take_last(struct span *list)
{
	const char *comma = memrchr(list->at, ',', list->len);
	size_t at = comma ? (size_t)(comma + 1 - list->at) : 0;
	struct span last = span_trim((struct span){list->at + at, list->len - at});

	assert(at <= list->len);
	list->len = comma ? at - 1 : 0;
	return last;
}

struct in6_addr access_client(const struct http_request *http, const struct facts *facts)
{
	struct in6_addr client = facts->peer, before;
	unsigned hops = 0;

	/* several fields are one list in their order; each proxy appended its peer to the end */
	for (size_t i = http->field_count; i-- > 0;) {
		struct span list = http->fields[i].value;

		if (!span_is_nocase(http->fields[i].name, "X-Forwarded-For"))
			continue;
		while (list.len) {
			if (hops++ == FORWARDED_HOPS_MAX || !is_proxy(facts, &client) ||
			    !parse_address(take_last(&list), &before))
				return client;
			client = before;
		}
	}
	return client;
}

/* An absent parameter is empty.  False: it is malformed or too long. */
static bool read_parameter(const struct request *q, const char *name, char *dst, size_t cap)
{
	int found = http_query(q->http, name, dst, cap);

	if (found == 0)
		dst[0] = '\0';
	return found >= 0;
}

/* Is this the client's address? */
static bool is_client(const struct request *q, const char *text)
{
	struct in6_addr named, client = access_client(q->http, q->facts);

	return parse_address((struct span){text, strlen(text)}, &named) &&
	       memcmp(&named, &client, sizeof(named)) == 0;
}

bool access_link(struct request *q)
{
	const struct facts *f = q->facts;
	struct link l = {0};
	char signature[LINK_SIGNATURE + 8], expires[24], by[24], channel[24];
	uint64_t id, until;

	if (!f->link_key || !f->tokens || !q->segments ||
	    http_query(q->http, "sig", signature, sizeof(signature)) != 1)
		return false;
	if (!read_parameter(q, "exp", expires, sizeof(expires)) ||
	    !read_parameter(q, "ip", l.address, sizeof(l.address)) ||
	    !read_parameter(q, "region", l.region, sizeof(l.region)) ||
	    !read_parameter(q, "by", by, sizeof(by)) ||
	    http_decode_segment(q->segment[0], channel, sizeof(channel)) < 0 ||
	    text_parse_u64(channel, CHANNEL_ID_MAX, &id) < 0 ||
	    text_parse_u64(expires, INT64_MAX / 1000000, &until) < 0)
		return false;
	l.channel = (uint32_t)id;
	l.expires_s = (int64_t)until;
	if (!link_verify(f->link_key, &l, by, signature) || l.expires_s * 1000000 <= f->wall_us ||
	    (l.address[0] && !is_client(q, l.address)))
		return false;
	q->token = l.token ? tokens_by_name(f->tokens, l.token, f->wall_us) : NULL;
	if (l.token && !q->token)
		return false;
	q->until_wall_us = l.expires_s * 1000000;
	q->bound = l.address[0] != '\0';
	memcpy(q->region, l.region, sizeof(q->region));
	return true;
}

void access_named_region(const struct request *q, char out[3])
{
	static const char *const names[] = {"X-Amps-Region", "X-Region", "CF-IPCountry",
					    "X-Appengine-Country"};
	const struct catalog_settings *s = catalog_settings(q->facts->catalog);
	char text[16];

	if (q->region[0]) {
		memcpy(out, q->region, sizeof(q->region));
		return;
	}
	if ((s->flags & SETTING_REGION_QUERY) &&
	    http_query(q->http, "region", text, sizeof(text)) == 1 &&
	    text_region(text, strlen(text), out))
		return;
	if ((s->flags & SETTING_REGION_HEADERS) &&
	    (s->proxy_count == 0 || access_peer_trusted(q->facts))) {
		for (size_t i = 0; i < array_size(names); i++) {
			struct span value = http_field(q->http, names[i]);

			if (value.at && text_region(value.at, value.len, out))
				return;
		}
	}
	out[0] = '\0';
}

bool access_region(const struct request *q, char out[3])
{
	struct in6_addr client;

	access_named_region(q, out);
	if (out[0])
		return false;
	client = access_client(q->http, q->facts);
	if (!geoip_find(q->facts->geoip, &client, out))
		out[0] = '\0';
	return true;
}

/* The name in "name", "name:port", without a dot at its end. */
static struct span host_name(struct span host)
{
	const char *colon = host.len ? memchr(host.at, ':', host.len) : NULL;

	if (colon)
		host.len = (size_t)(colon - host.at);
	if (host.len && host.at[host.len - 1] == '.')
		host.len--;
	return host;
}

/* Names without a dot, and domains that are for local networks only (RFC 6761, 6762, 8375 ...). */
static bool is_local_name(struct span name)
{
	static const char *const domains[] = {".localhost", ".local",	  ".lan",	 ".home",
					      ".internal",  ".home.arpa", ".localdomain"};

	if (!name.len || !memchr(name.at, '.', name.len))
		return true;
	for (size_t i = 0; i < array_size(domains); i++) {
		size_t n = strlen(domains[i]);

		if (name.len > n && strncasecmp(name.at + name.len - n, domains[i], n) == 0)
			return true;
	}
	return false;
}

static bool is_allowed_name(struct span name, const char *lines)
{
	for (; lines && *lines; lines += strcspn(lines, "\n") + 1)
		if (strcspn(lines, "\n") == name.len && strncasecmp(lines, name.at, name.len) == 0)
			return true;
	return false;
}

bool access_host_known(const struct http_request *http, const struct facts *facts)
{
	const struct catalog_settings *s = catalog_settings(facts->catalog);
	const char *url = catalog_text(facts->catalog, s->public_url_at);
	const char *own = url ? strstr(url, "://") : NULL;
	struct span name = host_name(http->host);
	struct in6_addr address;

	if (!http->host.len || parse_address(http->host, &address) || is_local_name(name) ||
	    access_peer_trusted(facts))
		return true;
	if (own) {
		struct span public = host_name((struct span){own + 3, strcspn(own + 3, "/")});

		if (public.len == name.len && strncasecmp(public.at, name.at, name.len) == 0)
			return true;
	}
	return is_allowed_name(name, catalog_text(facts->catalog, s->allowed_hosts_at));
}

/* The first element of a forwarding field: what the first proxy received. */
static struct span first_element(const struct http_request *http, const char *name)
{
	struct span value = http_field(http, name), first = {0};

	http_next_element(&value, &first);
	return first;
}

void access_base_url(const struct http_request *http, const struct facts *facts, char *dst,
		     size_t cap)
{
	const struct catalog_settings *s = catalog_settings(facts->catalog);
	const char *public_url = catalog_text(facts->catalog, s->public_url_at);
	struct span host = http->host;
	const char *scheme = "http";
	size_t n;

	if (public_url && *public_url) {
		for (n = strlen(public_url); n > 0 && public_url[n - 1] == '/'; n--)
			;
		snprintf(dst, cap, "%.*s", (int)MIN(n, cap), public_url);
		return;
	}
	if (access_peer_trusted(facts)) {
		struct span proto = first_element(http, "X-Forwarded-Proto");
		struct span forwarded = first_element(http, "X-Forwarded-Host");

		if (span_is_nocase(proto, "https"))
			scheme = "https";
		if (forwarded.len && http_host_valid(forwarded))
			host = forwarded;
	}
	if (host.len)
		snprintf(dst, cap, "%s://%.*s", scheme, (int)host.len, host.at);
	else
		snprintf(dst, cap, "%s://localhost:%u", scheme, facts->port);
}

void access_rtsp_url(const char *base_url, const struct facts *facts, char *dst, size_t cap)
{
	const char *host = strstr(base_url, "://");
	size_t n;

	dst[0] = '\0';
	if (!facts->rtsp_port)
		return;
	host = host ? host + 3 : base_url;
	n = strcspn(host, "/");
	if (memchr(host, '@', n)) /* a name and a password are not for this server */
		host = (const char *)memrchr(host, '@', n) + 1;
	/* an IPv6 address ends with its bracket */
	n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	snprintf(dst, cap, "rtsp://%.*s:%u", (int)MIN(n, strlen(host)), host, facts->rtsp_port);
}

void access_link_token(const struct request *q, char out[TOKEN_BYTES_MAX + 1])
{
	const struct token_entry *given = q->token;

	if (given && given->role == TOKEN_ADMIN && !(given->flags & TOKEN_SHARED))
		given = tokens_shared(q->facts->tokens);
	out[0] = '\0';
	if (!given)
		return;
	if (given->flags & TOKEN_HASHED) {
		/* only the client knows it */
		if (access_token_text(q->http, out, TOKEN_BYTES_MAX + 1) != 1)
			out[0] = '\0';
	} else {
		size_t n = strnlen(given->token, TOKEN_BYTES_MAX);

		memcpy(out, given->token, n);
		out[n] = '\0';
	}
}
