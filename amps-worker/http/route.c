#include "amps-worker/http/route.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-worker/http/access.h"
#include "amps-worker/http/wrong_tokens.h"

/* Does the pattern match the path?  What "<id>" stands for goes to q->segment. */
static bool pattern_fits(const char *pattern, struct span path, struct request *q)
{
	size_t at = 0;

	q->segments = 0;
	while (*pattern) {
		if (*pattern == '*' && pattern[1] == '\0' && at > 0)
			return true;
		if (*pattern != '<') {
			if (at == path.len || path.at[at++] != *pattern++)
				return false;
			continue;
		}
		assert(strchr(pattern, '>'));
		pattern = strchr(pattern, '>') + 1;

		size_t tail = strcspn(pattern, "/"), end = at;

		while (end < path.len && path.at[end] != '/')
			end++;
		if (end - at <= tail)
			return false;
		assert(q->segments < array_size(q->segment));
		q->segment[q->segments++] = (struct span){path.at + at, end - at - tail};
		at = end - tail;
	}
	return at == path.len;
}

static const struct route *find_route(const struct route *routes, struct span path,
				      struct request *q)
{
	for (const struct route *route = routes; route->pattern; route++)
		if (pattern_fits(route->pattern, path, q))
			return route;
	q->segments = 0;
	return NULL;
}

bool route_is_media(const struct route *routes, struct span path)
{
	struct request q = {0};
	const struct route *route = find_route(routes, path, &q);

	return route && route->flags & ROUTE_MEDIA;
}

static void add_allow(const struct route *route, struct reply *r)
{
	unsigned methods = route->methods | 1u << HTTP_OPTIONS;
	char list[80] = "";
	size_t n = 0;

	if (methods & 1u << HTTP_GET)
		methods |= 1u << HTTP_HEAD;
	for (enum http_method m = HTTP_GET; m < HTTP_OTHER; m++)
		if (methods & 1u << m)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
					      http_method_name(m));
	assert(n < sizeof(list));
	reply_field(r, "Allow", "%s", list);
	if (r->media)
		reply_field(r, "Access-Control-Allow-Methods", "%s", list);
}

/* Also answers a browser's CORS preflight, which never carries the token itself. */
static void answer_options(const struct route *route, struct reply *r)
{
	r->status = 204;
	add_allow(route, r);
	if (r->media) {
		reply_field(r, "Access-Control-Allow-Headers",
			    "X-Amps-Token, Authorization, Range, If-None-Match");
		reply_field(r, "Access-Control-Max-Age", "86400");
	}
}

/* Without a token there is nothing to guess, and wrong links cannot be guessed. */
static void refuse(const struct request *q, struct reply *r)
{
	if (access_has_token(q->http) && wrong_tokens_over(q))
		reply_error(r, 429, WRONG_TOKENS_S, "too many wrong tokens came from this address");
	else
		reply_error(r, 401, 0, "a valid token is needed");
}

bool route_admit(struct request *q, struct reply *r)
{
	if (!catalog_settings(q->facts->catalog)->auth_enabled)
		return true;
	q->token = access_token(q->http, q->facts);
	if (!q->token && !((r->media || q->http->rtsp) && access_link(q))) {
		refuse(q, r);
		return false;
	}
	r->asker = q->token;
	return true;
}

bool route_is_admin(const struct request *q)
{
	return !catalog_settings(q->facts->catalog)->auth_enabled ||
	       (q->token && q->token->role == TOKEN_ADMIN);
}

uint32_t route_body_max(const struct route *routes, const struct http_request *http,
			const struct facts *facts)
{
	const unsigned with_body = 1u << HTTP_POST | 1u << HTTP_PUT | 1u << HTTP_PATCH;
	struct request q = {.http = http, .facts = facts};
	const struct route *route = find_route(routes, http->path, &q);

	if (!route || http->method == HTTP_OTHER || !(route->flags & (ROUTE_BODY | ROUTE_LIST)) ||
	    !(route->methods & with_body & 1u << http->method))
		return 0;
	q.token = access_token(http, facts);
	if (!route_is_admin(&q))
		return 0;
	return route->flags & ROUTE_LIST ? HTTP_BODY_LIST_MAX : HTTP_BODY_MAX;
}

void route_dispatch(const struct route *routes, const struct http_request *http,
		    const struct facts *facts, struct reply *r)
{
	struct request q = {.http = http, .facts = facts};
	const struct route *route = find_route(routes, http->path, &q);
	enum http_method method = http->method == HTTP_HEAD ? HTTP_GET : http->method;

	r->media = route && route->flags & ROUTE_MEDIA;
	/* a body that was not read must not be parsed as the next request */
	if (!http->body_read && (http->chunked || http->content_length > 0))
		r->close = true;
	if (!route) {
		if (route_admit(&q, r))
			reply_error(r, 404, 0, "there is nothing at this address");
	} else if (http->method == HTTP_OPTIONS) {
		answer_options(route, r);
	} else if (method == HTTP_OTHER || !(route->methods & 1u << method)) {
		reply_error(r, 405, 0, "this method is not possible here");
		add_allow(route, r);
	} else if (route->flags & ROUTE_OPEN || route_admit(&q, r)) {
		assert(route->handle); /* only OPTIONS has a request target without one */
		route->handle(&q, r);
	}
}
