/* target.c - see target.h.
 *
 * Paths are held to the letter of RFC 3986.  Queries may hold any visible character and raw UTF-8,
 * because players send what their owner typed (ffmpeg does not encode `?group=Füße`); nothing is
 * routed by a query, so that leniency cannot make two readers of one request disagree. */
#include <string.h>
#include <strings.h>
#include "amps-worker/http/target.h"

#include "common/text/text.h"

static bool is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* unreserved, sub-delims, ':' and '@' of RFC 3986 */
static bool is_pchar(unsigned char c)
{
	return is_alnum(c) || (c && strchr("-._~!$&'()*+,;=:@", c));
}

/* One decoded byte of a segment at *i (which moves on); -1 when it is malformed. */
static int path_byte(struct span path, size_t *i)
{
	unsigned char c = (unsigned char)path.at[(*i)++];
	int high, low;

	if (c != '%')
		return is_pchar(c) ? c : -1;
	if (path.len - *i < 2)
		return -1;
	high = text_hex_value(path.at[*i]);
	low = text_hex_value(path.at[*i + 1]);
	if (high < 0 || low < 0)
		return -1;
	*i += 2;
	return high * 16 + low;
}

/* Walks the segments: `depth` is how far below the root the path is, so that dot segments, plain
 * or encoded, can never climb out of it. */
static const char *path_problem(struct span path)
{
	long depth = 0;

	for (size_t i = 0; i < path.len;) {
		size_t bytes = 0, dots = 0;

		i++; /* the '/' before the segment */
		while (i < path.len && path.at[i] != '/') {
			bool encoded = path.at[i] == '%';
			int c = path_byte(path, &i);

			if (c < 0)
				return "the path holds a character that must be percent-encoded";
			if (encoded && (c < 0x20 || c == 0x7f || c == '/'))
				return "the path holds an encoded slash or control character";
			bytes++;
			dots += c == '.';
		}
		if (bytes == 2 && dots == 2)
			depth--;
		else if (bytes > 0 && !(bytes == 1 && dots == 1))
			depth++;
		if (depth < 0)
			return "the path leaves the root";
	}
	return NULL;
}

static const char *query_problem(struct span query)
{
	for (size_t i = 0; i < query.len; i++) {
		unsigned char c = (unsigned char)query.at[i];

		if (c <= ' ' || c == 0x7f || c == '#')
			return "the query holds a character that must be percent-encoded";
	}
	return NULL;
}

static const char *parse_origin(struct span target, struct http_request *ret)
{
	const char *mark = memchr(target.at, '?', target.len);
	const char *problem;

	ret->path = target;
	ret->query = (struct span){target.at + target.len, 0};
	if (mark) {
		ret->path.len = (size_t)(mark - target.at);
		ret->query.at = mark + 1;
		ret->query.len = target.len - ret->path.len - 1;
	}
	problem = path_problem(ret->path);
	return problem ? problem : query_problem(ret->query);
}

/* "http://host", "http://host/path", "http://host?query" */
static const char *parse_absolute(struct span rest, struct http_request *ret)
{
	size_t n = 0;
	const char *problem;

	while (n < rest.len && rest.at[n] != '/' && rest.at[n] != '?')
		n++;
	ret->host = (struct span){rest.at, n};
	if (!n || !http_host_valid(ret->host))
		return "the request target names no valid host";
	rest.at += n;
	rest.len -= n;
	if (rest.len && *rest.at == '/')
		return parse_origin(rest, ret);
	ret->path = (struct span){"/", 1};
	ret->query = rest;
	if (!rest.len)
		return NULL;
	ret->query.at++;
	ret->query.len--;
	problem = query_problem(ret->query);
	return problem;
}

const char *http_target_parse(struct span target, struct http_request *ret)
{
	static const char *const schemes[] = {"http://", "https://"};

	if (target.len && *target.at == '/')
		return parse_origin(target, ret);
	if (ret->method == HTTP_OPTIONS && span_is(target, "*")) {
		ret->path = target;
		return NULL;
	}
	for (size_t i = 0; i < array_size(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (target.len >= n && strncasecmp(target.at, schemes[i], n) == 0)
			return parse_absolute((struct span){target.at + n, target.len - n}, ret);
	}
	return "the request target is neither a path nor an http URL";
}

static bool port_valid(struct span port)
{
	unsigned long value = 0;

	if (port.len < 1 || port.len > 5)
		return false;
	for (size_t i = 0; i < port.len; i++) {
		if (port.at[i] < '0' || port.at[i] > '9')
			return false;
		value = value * 10 + (unsigned long)(port.at[i] - '0');
	}
	return value <= 65535;
}

/* Length of the host in front of a port; 0 when it is malformed. */
static size_t host_length(struct span host)
{
	size_t i = 0;

	if (host.len && host.at[0] == '[') {
		for (i = 1; i < host.len; i++) {
			char c = host.at[i];

			if (c == ']')
				return i > 2 ? i + 1 : 0;
			if (text_hex_value(c) < 0 && c != ':' && c != '.')
				return 0;
		}
		return 0;
	}
	while (i < host.len && (is_alnum((unsigned char)host.at[i]) || host.at[i] == '-' ||
				host.at[i] == '.' || host.at[i] == '_'))
		i++;
	return i;
}

bool http_host_valid(struct span host)
{
	size_t n = host_length(host);

	if (n == 0 || host.len > 300)
		return false;
	if (n == host.len)
		return true;
	return host.at[n] == ':' && port_valid((struct span){host.at + n + 1, host.len - n - 1});
}
