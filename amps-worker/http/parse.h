/* parse.h - a strict parser of request heads (RFC 9112, RFC 3986), and of their values.
 *
 * Pure: bytes in, spans of the same bytes out; no allocation, no logging.  Everything known to
 * allow request smuggling is refused with 400 and the connection closes: bare CR or LF, NUL or
 * control characters, obs-fold, space before the colon, an empty field name, two Host fields or
 * none (HTTP/1.0 without Host is allowed), two or malformed Content-Length, Content-Length together
 * with Transfer-Encoding, a transfer coding after chunked or without it, a request target that is
 * neither origin-form nor absolute-form (nor, with OPTIONS, "*"), dot segments that leave the root,
 * percent-encoded NUL or slash in a path segment.  Other transfer codings before chunked are 501,
 * HTTP versions other than 1.x 505. */
#ifndef AMPS_HTTP_PARSE_H
#define AMPS_HTTP_PARSE_H

#include "common/base.h"
#include "common/limits.h"

struct span {
	const char *at; /* not NUL-ended */
	size_t len;
};

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_OPTIONS,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OTHER
};

struct http_field {
	struct span name, value; /* value without surrounding white space */
};

struct http_parameter {
	struct span name, value; /* still encoded; the value may be empty */
};

struct http_request {
	enum http_method method;
	struct span method_text;
	unsigned minor;	   /* HTTP/1.minor, 0 or 1 */
	struct span path;  /* still percent-encoded, begins with '/'; or "*" */
	struct span query; /* behind '?', may be empty */
	struct span body;  /* empty unless its route takes one, see route.h */
	bool body_read;	   /* all of the body is in `body` */
	struct span host;  /* Host field or the authority of an absolute target; may be empty */
	bool rtsp;	   /* a request of RTSP: method_text says which */
	bool keep_alive;
	bool chunked;
	bool has_length;
	uint64_t content_length;
	size_t field_count;
	size_t head_bytes; /* length of the head with its empty line */
	/* the query's first parameters, and the rest of it behind them */
	size_t parameter_count;
	struct span query_rest;
	struct http_parameter parameters[HTTP_PARAMETERS_MAX];
	struct http_field fields[HTTP_FIELDS_MAX];
};

/* What to do with the bytes so far. */
enum http_verdict {
	HTTP_HEAD_COMPLETE,
	HTTP_HEAD_INCOMPLETE, /* receive more (the caller keeps the deadline) */
	HTTP_HEAD_BAD	      /* answer *ret_status and close */
};

/* Parses the bytes received so far; `scanned` is how many of them earlier calls have searched for
 * the end of the head (0 at first; updated), so that a slow sender costs linear time.
 * ret_status: 400, 413 (declared body over HTTP_BODY_LIST_MAX), 414 (line), 431 (head or fields),
 * 501 (unknown transfer coding), 505; *ret_reason a static sentence for the error body. */
enum http_verdict http_parse_head(const char *bytes, size_t len, size_t *scanned,
				  struct http_request *ret, int *ret_status,
				  const char **ret_reason);

/* The same for a request of RTSP (RFC 2326): a target is an rtsp URL, a path, or "*"; the version
 * is 1.0, no Host field is needed, and a declared body is at most RTSP_BODY_MAX long. */
enum http_verdict http_parse_rtsp_head(const char *bytes, size_t len, size_t *scanned,
				       struct http_request *ret, int *ret_status,
				       const char **ret_reason);

/* The first field of this name (case-insensitive), or an empty span with at == NULL. */
struct span http_field(const struct http_request *r, const char *name);

/* Fills the table of parameters from r->query; http_parse_head() has done it. */
void http_parse_query(struct http_request *r);

/* Query value by exact name, the first of that name: percent-decoded, '+' as space, into dst
 * (NUL-ended). 1 found, 0 absent, -EINVAL (bad encoding, NUL or control characters), -E2BIG. */
must_check int http_query(const struct http_request *r, const char *name, char *dst, size_t cap);

/* Percent-decodes a path segment.  0, -EINVAL (bad encoding, NUL, control, not UTF-8), -E2BIG. */
must_check int http_decode_segment(struct span segment, char *dst, size_t cap);

/* A host with an optional port, as in a Host field and in links made from it: a name
 * of letters, digits, '-', '.' and '_', or an IPv6 address in brackets. */
bool http_host_valid(struct span host);

const char *http_method_name(enum http_method method); /* not of HTTP_OTHER */

/* Takes the next element off a comma-separated field value, without white space around it; skips
 * empty ones.  False: there are no more. */
bool http_next_element(struct span *rest, struct span *ret);

/* Without spaces and tabs around it. */
struct span span_trim(struct span s);

bool span_is_nocase(struct span s, const char *text); /* ASCII letters in any case */

static inline bool span_is(struct span s, const char *text)
{
	size_t i = 0;

	while (i < s.len && text[i] && s.at[i] == text[i])
		i++;
	return i == s.len && !text[i];
}

#endif
