/* parse.c - see parse.h.
 *
 * Two passes.  scan_head() looks at each byte once as it arrives: line ends, control characters and
 * sizes, so that a malformed or endless head is refused before it is complete and the verdict does
 * not depend on how the bytes were cut into packets.  parse_lines() then reads a complete head.
 *
 * Paths must follow RFC 3986 exactly.  Queries may hold any visible character and raw UTF-8,
 * because players send what the user typed (ffmpeg does not encode `?group=Füße`); no route
 * depends on a query, so two parsers of one request cannot be made to disagree. */
#include "amps-worker/http/parse.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "common/text/text.h"

struct verdict {
	int status;
	const char *reason;
};

static int refuse(struct verdict *v, int status, const char *reason)
{
	v->status = status;
	v->reason = reason;
	return -EBADMSG;
}

static bool is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* RFC 9110 section 5.6.2 */
static bool is_tchar(unsigned char c)
{
	return is_alnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
	while (s.len && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

bool span_is_nocase(struct span s, const char *text)
{
	return strlen(text) == s.len && strncasecmp(s.at, text, s.len) == 0;
}

/* Like http_next_element(), but an empty element is one, too. */
static bool next_element(struct span *rest, struct span *ret)
{
	const char *comma;
	size_t n;

	if (!rest->len)
		return false;
	comma = memchr(rest->at, ',', rest->len);
	n = comma ? (size_t)(comma - rest->at) : rest->len;
	*ret = span_trim((struct span){rest->at, n});
	n += comma != NULL;
	*rest = (struct span){rest->at + n, rest->len - n};
	return true;
}

bool http_next_element(struct span *rest, struct span *ret)
{
	while (next_element(rest, ret))
		if (ret->len)
			return true;
	return false;
}

/* One empty line before the request line is ignored (RFC 9112 section 2.2). */
static size_t head_start(const char *bytes, size_t len)
{
	return len >= 2 && bytes[0] == '\r' && bytes[1] == '\n' ? 2 : 0;
}

/* Checks byte i; all bytes before it have passed.  1: the head ends here; 0: continue. */
static int scan_byte(const char *bytes, size_t i, size_t start, struct verdict *v)
{
	unsigned char c = (unsigned char)bytes[i];
	bool after_cr = i > 0 && bytes[i - 1] == '\r';

	if (i >= start + HTTP_HEAD_MAX)
		return refuse(v, 431, "the request head is too large");
	if (i == start + HTTP_LINE_MAX + 1 && !memchr(bytes + start, '\n', i - start) && c != '\n')
		return refuse(v, 414, "the request line is too long");
	if (after_cr != (c == '\n'))
		return refuse(v, 400, "a line of the request does not end with CR LF");
	if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
		return refuse(v, 400, "the request head holds a control character");
	if (c != '\n' || i < start)
		return 0;
	if (i == start + 1 && start > 0)
		return refuse(v, 400, "the request line is missing");
	return i >= start + 3 && bytes[i - 2] == '\n';
}

/* 1 and *ret_end (after the empty line), 0 if more bytes are needed, -EBADMSG. */
static int scan_head(const char *bytes, size_t len, size_t *scanned, size_t *ret_end,
		     struct verdict *v)
{
	size_t start = head_start(bytes, len);

	assert(*scanned <= len);
	while (*scanned < len) {
		/* the first two bytes decide where the head starts: wait for both */
		if (len == 1 && bytes[0] == '\r')
			return 0;

		int r = scan_byte(bytes, *scanned, start, v);

		if (r < 0)
			return r;
		(*scanned)++;
		if (r > 0) {
			*ret_end = *scanned;
			return 1;
		}
	}
	return 0;
}

/* unreserved, sub-delims, ':' and '@' of RFC 3986 */
static bool is_pchar(unsigned char c)
{
	return is_alnum(c) || (c && strchr("-._~!$&'()*+,;=:@", c));
}

/* One decoded byte of a segment at *i, which advances; -1 if it is malformed. */
static int path_byte(struct span path, size_t *i)
{
	unsigned char c = (unsigned char)path.at[(*i)++];
	int byte;

	if (c != '%')
		return is_pchar(c) ? c : -1;
	byte = text_percent_byte(path.at + *i - 1, path.len - *i + 1);
	*i += byte < 0 ? 0 : 2;
	return byte;
}

/* Counts how deep below the root each segment is, so that dot segments, plain or encoded, cannot
 * leave the root. */
static const char *path_problem(struct span path)
{
	long depth = 0;

	for (size_t i = 0; i < path.len;) {
		size_t bytes = 0, dots = 0;

		assert(path.at[i] == '/');
		i++; /* before the segment */
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

/* "http://host", "http://host/path", "http://host?query"; what follows the scheme */
static const char *parse_absolute(struct span rest, struct http_request *ret)
{
	size_t n = 0;

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
	return query_problem(ret->query);
}

/* Splits an origin-form or absolute-form target into ret->path, ret->query and, for the absolute
 * form, ret->host; "*" is a path where ret->method is OPTIONS, or of RTSP.  NULL, or what is wrong.
 */
static const char *parse_target(struct span target, struct http_request *ret)
{
	static const char *const of_http[] = {"http://", "https://"}, *const of_rtsp[] = {
									      "rtsp://"};
	const char *const *schemes = ret->rtsp ? of_rtsp : of_http;
	size_t count = ret->rtsp ? array_size(of_rtsp) : array_size(of_http);

	if (target.len && *target.at == '/')
		return parse_origin(target, ret);
	if ((ret->rtsp || ret->method == HTTP_OPTIONS) && span_is(target, "*")) {
		ret->path = target;
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(schemes[i]);

		if (target.len >= n && strncasecmp(target.at, schemes[i], n) == 0)
			return parse_absolute((struct span){target.at + n, target.len - n}, ret);
	}
	return ret->rtsp ? "the request target is neither a path nor an rtsp URL"
			 : "the request target is neither a path nor an http URL";
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

/* Length of the host before its port; 0 if it is malformed. */
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

const char *http_method_name(enum http_method method)
{
	static const char *const names[HTTP_OTHER] = {
		[HTTP_GET] = "GET",	  [HTTP_HEAD] = "HEAD", [HTTP_OPTIONS] = "OPTIONS",
		[HTTP_POST] = "POST",	  [HTTP_PUT] = "PUT",	[HTTP_PATCH] = "PATCH",
		[HTTP_DELETE] = "DELETE",
	};

	assert(method < HTTP_OTHER);
	return names[method];
}

static enum http_method find_method(struct span text)
{
	enum http_method method = HTTP_GET;

	while (method < HTTP_OTHER && !span_is(text, http_method_name(method)))
		method++;
	return method;
}

static int parse_version(struct span text, struct http_request *ret, struct verdict *v)
{
	if (text.len != 8 || memcmp(text.at, "HTTP/", 5) != 0 || text.at[6] != '.' ||
	    text.at[5] < '0' || text.at[5] > '9' || text.at[7] < '0' || text.at[7] > '9')
		return refuse(v, 400, "the request line does not end with an HTTP version");
	if (text.at[5] != '1')
		return refuse(v, 505, "this server supports HTTP/1.0 and HTTP/1.1");
	/* treat a later minor version like the latest known one (RFC 9110 section 2.5) */
	ret->minor = text.at[7] > '0';
	return 0;
}

static int parse_rtsp_version(struct span text, struct verdict *v)
{
	if (text.len != 8 || memcmp(text.at, "RTSP/", 5) != 0)
		return refuse(v, 400, "the request line does not end with an RTSP version");
	return memcmp(text.at + 5, "1.0", 3) == 0 ? 0
						  : refuse(v, 505, "this server supports RTSP/1.0");
}

static int parse_request_line(struct span line, struct http_request *ret, struct verdict *v)
{
	const char *end = line.at + line.len;
	const char *first = memchr(line.at, ' ', line.len);
	const char *second = first ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;
	struct span version;
	const char *problem;
	int r;

	if (!second)
		return refuse(v, 400, "the request line has no three parts");
	ret->method_text = (struct span){line.at, (size_t)(first - line.at)};
	if (!ret->method_text.len)
		return refuse(v, 400, "the request line begins with a space");
	for (size_t i = 0; i < ret->method_text.len; i++)
		if (!is_tchar((unsigned char)line.at[i]))
			return refuse(v, 400, "the method is malformed");
	ret->method = find_method(ret->method_text);
	version = (struct span){second + 1, (size_t)(end - second - 1)};
	r = ret->rtsp ? parse_rtsp_version(version, v) : parse_version(version, ret, v);
	if (r < 0)
		return r;
	problem = parse_target((struct span){first + 1, (size_t)(second - first - 1)}, ret);
	return problem ? refuse(v, 400, problem) : 0;
}

static int parse_field(struct span line, struct http_request *ret, struct verdict *v)
{
	struct http_field *field = &ret->fields[ret->field_count];
	size_t n = 0;

	if (is_blank(line.at[0]))
		return refuse(v, 400, "a header field begins with white space");
	while (n < line.len && is_tchar((unsigned char)line.at[n]))
		n++;
	if (n == 0 || n == line.len || line.at[n] != ':')
		return refuse(v, 400, "the name of a header field is malformed");
	if (ret->field_count == HTTP_FIELDS_MAX)
		return refuse(v, 431, "the request has too many header fields");
	field->name = (struct span){line.at, n};
	field->value = span_trim((struct span){line.at + n + 1, line.len - n - 1});
	ret->field_count++;
	return 0;
}

/* `rest` is the head from its request line to its empty line, which it includes. */
static int parse_lines(struct span rest, struct http_request *ret, struct verdict *v)
{
	for (bool first = true;; first = false) {
		const char *cr = memchr(rest.at, '\r', rest.len);
		struct span line = {rest.at, (size_t)(cr - rest.at)};
		int r;

		assert(cr && line.len + 2 <= rest.len && cr[1] == '\n'); /* scan_head() saw it */
		if (line.len == 0)
			return 0;
		r = first ? parse_request_line(line, ret, v) : parse_field(line, ret, v);
		if (r < 0)
			return r;
		rest.at += line.len + 2;
		rest.len -= line.len + 2;
	}
}

/* Is this one of the elements of the Connection fields (RFC 9110 section 7.6.1)? */
static bool connection_has(const struct http_request *r, const char *option)
{
	for (size_t i = 0; i < r->field_count; i++) {
		struct span rest = r->fields[i].value, element;

		if (!span_is_nocase(r->fields[i].name, "Connection"))
			continue;
		while (http_next_element(&rest, &element))
			if (span_is_nocase(element, option))
				return true;
	}
	return false;
}

static size_t field_times(const struct http_request *r, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < r->field_count; i++)
		n += span_is_nocase(r->fields[i].name, name);
	return n;
}

static int check_host(struct http_request *r, struct verdict *v)
{
	size_t times = field_times(r, "Host");
	struct span host = http_field(r, "Host");

	if (times > 1)
		return refuse(v, 400, "the request has two Host fields");
	if (times == 0)
		return r->minor == 0 ? 0 : refuse(v, 400, "the request has no Host field");
	if (host.len && !http_host_valid(host))
		return refuse(v, 400, "the Host field is malformed");
	/* a proxy may route by the other of two host names: do not choose one */
	if (r->host.len &&
	    (r->host.len != host.len || strncasecmp(r->host.at, host.at, host.len) != 0))
		return refuse(v, 400, "the request target and the Host field name two hosts");
	r->host = host;
	return 0;
}

static int check_length(struct http_request *r, struct verdict *v)
{
	struct span text = http_field(r, "Content-Length");
	uint64_t value = 0;

	if (!text.at)
		return 0;
	if (field_times(r, "Content-Length") > 1)
		return refuse(v, 400, "the request has two Content-Length fields");
	if (text.len == 0 || text.len > 18)
		return refuse(v, 400, "the Content-Length field is malformed");
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return refuse(v, 400, "the Content-Length field is malformed");
		value = value * 10 + (uint64_t)(text.at[i] - '0');
	}
	r->has_length = true;
	r->content_length = value;
	return 0;
}

/* Refuses anything but the one coding "chunked".  Where chunked is not applied last and last alone,
 * the end of the body is unknown (RFC 9112 section 6.3): 400.  Other codings before it are merely
 * unsupported: 501. */
static int refuse_codings(struct span list, struct verdict *v)
{
	struct span coding;
	bool chunked = false;

	if (list.at[list.len - 1] == ',')
		return refuse(v, 400, "the Transfer-Encoding field is malformed");
	while (next_element(&list, &coding)) {
		if (!coding.len || chunked)
			return refuse(v, 400, "the Transfer-Encoding field is malformed");
		chunked = span_is_nocase(coding, "chunked");
	}
	if (!chunked)
		return refuse(v, 400, "the last transfer coding is not chunked");
	return refuse(v, 501, "the only transfer coding known here is chunked");
}

static int check_coding(struct http_request *r, struct verdict *v)
{
	struct span coding = http_field(r, "Transfer-Encoding");

	if (!coding.at)
		return 0;
	if (r->has_length)
		return refuse(v, 400, "the request has a Content-Length and a Transfer-Encoding");
	if (r->minor == 0)
		return refuse(v, 400, "HTTP/1.0 has no Transfer-Encoding");
	if (field_times(r, "Transfer-Encoding") > 1 || coding.len == 0)
		return refuse(v, 400, "the Transfer-Encoding field is malformed");
	if (!span_is_nocase(coding, "chunked"))
		return refuse_codings(coding, v);
	r->chunked = true;
	return 0;
}

static int check_rtsp_fields(struct http_request *r, struct verdict *v)
{
	if (check_length(r, v) < 0)
		return -EBADMSG;
	if (field_times(r, "Transfer-Encoding"))
		return refuse(v, 400, "RTSP has no Transfer-Encoding");
	if (r->content_length > RTSP_BODY_MAX)
		return refuse(v, 413, "the request body is too large");
	r->keep_alive = !connection_has(r, "close");
	return 0;
}

static int check_fields(struct http_request *r, struct verdict *v)
{
	if (check_host(r, v) < 0 || check_length(r, v) < 0 || check_coding(r, v) < 0)
		return -EBADMSG;
	if (r->content_length > HTTP_BODY_LIST_MAX)
		return refuse(v, 413, "the request body is too large");
	r->keep_alive =
		!connection_has(r, "close") && (r->minor >= 1 || connection_has(r, "keep-alive"));
	return 0;
}

static enum http_verdict parse_head(bool rtsp, const char *bytes, size_t len, size_t *scanned,
				    struct http_request *ret, int *ret_status,
				    const char **ret_reason)
{
	struct verdict v = {0};
	size_t start = head_start(bytes, len), end = 0;
	int r = scan_head(bytes, len, scanned, &end, &v);

	if (r == 0)
		return HTTP_HEAD_INCOMPLETE;
	if (r > 0) {
		/* the arrays are large, and only what is counted is used */
		memset(ret, 0, offsetof(struct http_request, parameters));
		ret->head_bytes = end;
		ret->rtsp = rtsp;
		r = parse_lines((struct span){bytes + start, end - start}, ret, &v);
	}
	if (r == 0)
		r = rtsp ? check_rtsp_fields(ret, &v) : check_fields(ret, &v);
	if (r == 0) {
		http_parse_query(ret);
		return HTTP_HEAD_COMPLETE;
	}
	*ret_status = v.status;
	*ret_reason = v.reason;
	return HTTP_HEAD_BAD;
}

enum http_verdict http_parse_head(const char *bytes, size_t len, size_t *scanned,
				  struct http_request *ret, int *ret_status,
				  const char **ret_reason)
{
	return parse_head(false, bytes, len, scanned, ret, ret_status, ret_reason);
}

enum http_verdict http_parse_rtsp_head(const char *bytes, size_t len, size_t *scanned,
				       struct http_request *ret, int *ret_status,
				       const char **ret_reason)
{
	return parse_head(true, bytes, len, scanned, ret, ret_status, ret_reason);
}

struct span http_field(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->field_count; i++)
		if (span_is_nocase(r->fields[i].name, name))
			return r->fields[i].value;
	return (struct span){0};
}
