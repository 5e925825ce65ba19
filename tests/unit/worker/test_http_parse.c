#include <stdio.h>
#include <string.h>
#include "amps-worker/http/parse.h"
#include "common/text/buf.h"
#include "unit.h"

struct outcome {
	enum http_verdict verdict;
	int status;
	struct http_request request;
};

/* Feeds the bytes `step` at a time, as a slow sender would. */
static struct outcome feed(const char *bytes, size_t len, size_t step)
{
	struct outcome o = {.verdict = HTTP_HEAD_INCOMPLETE};
	size_t scanned = 0;
	const char *reason;

	for (size_t n = MIN(step, len); o.verdict == HTTP_HEAD_INCOMPLETE; n += step) {
		n = MIN(n, len);
		o.verdict = http_parse_head(bytes, n, &scanned, &o.request, &o.status, &reason);
		if (n == len)
			break;
	}
	return o;
}

/* The verdict, however the bytes are cut; 200 for a good head, 0 for an incomplete one. */
static int verdict_of(const char *bytes, size_t len)
{
	struct outcome whole = feed(bytes, len, len);

	for (size_t step = 1; step < 8; step++) {
		struct outcome cut = feed(bytes, len, step);

		cr_assert_eq(cut.verdict, whole.verdict, "cut in %zu: %.60s", step, bytes);
		cr_assert_eq(cut.status, whole.status, "cut in %zu: %.60s", step, bytes);
	}
	return whole.verdict == HTTP_HEAD_COMPLETE ? 200 : whole.status;
}

static const struct strict_case {
	const char *head;
	size_t len;
	int status;
} strict_cases[] = {
#define CASE(head, status)                                                                         \
	{                                                                                          \
		head, sizeof(head) - 1, status                                                     \
	}
#define LINE(line, status)  CASE(line "\r\nHost: a\r\n\r\n", status)
#define FIELD(line, status) CASE("GET / HTTP/1.1\r\nHost: a\r\n" line "\r\n\r\n", status)
	/* good ones, so that the strictness is not simply a refusal */
	LINE("GET / HTTP/1.1", 200),
	LINE("GET /a%20b?x=%zz&y HTTP/1.1", 200),
	LINE("GET /a/../b HTTP/1.1", 200),
	LINE("BREW /pot HTTP/1.1", 200),
	LINE("GET http://a/x HTTP/1.1", 200),
	LINE("GET http://a HTTP/1.1", 200),
	LINE("GET http://a?x HTTP/1.1", 200),
	LINE("GET /?group=F\xc3\xbc\xc3\x9f"
	     "e HTTP/1.1",
	     200),
	LINE("GET / HTTP/1.2", 200),
	LINE("OPTIONS * HTTP/1.1", 200),
	CASE("GET / HTTP/1.0\r\n\r\n", 200),
	CASE("\r\nGET / HTTP/1.0\r\n\r\n", 200),
	CASE("GET / HTTP/1.1\r\nHost:\r\n\r\n", 200),
	CASE("GET / HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n", 200),
	FIELD("X-Empty:", 200),
	FIELD("X-Latin: caf\xe9\ttab", 200),
	FIELD("Content-Length: 3", 200),
	FIELD("Transfer-Encoding: Chunked", 200),
	/* line ends */
	CASE("GET / HTTP/1.1\nHost: a\n\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
	CASE("GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
	FIELD("X: a\rb", 400),
	FIELD("X: a\r\r", 400),
	CASE("\nGET / HTTP/1.1\r\n\r\n", 400),
	CASE("\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400),
	CASE("\r\n\r\n", 400),
	/* characters */
	FIELD("X: a\0b", 400),
	FIELD("X: a\x01", 400),
	FIELD("X: a\x7f", 400),
	CASE("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
	LINE("G\x7fT / HTTP/1.1", 400),
	LINE("GET\t/ HTTP/1.1", 400),
	LINE("GET /\t HTTP/1.1", 400),
	/* request line */
	LINE("GET /", 400),
	LINE("GET", 400),
	LINE(" GET / HTTP/1.1", 400),
	LINE("GET  / HTTP/1.1", 400),
	LINE("GET /  HTTP/1.1", 400),
	LINE("GET / HTTP/1.1 ", 400),
	LINE("GET /a b HTTP/1.1", 400),
	LINE("G(T / HTTP/1.1", 400),
	LINE("GET / HTTP/1.1x", 400),
	LINE("GET / http/1.1", 400),
	LINE("GET / HTTP/11", 400),
	LINE("GET / HTTP/1.10", 400),
	LINE("GET / HTTP/2.0", 505),
	LINE("GET / HTTP/9.9", 505),
	LINE("GET / HTTP/0.9", 505),
	/* targets */
	LINE("GET * HTTP/1.1", 400),
	LINE("OPTIONS *x HTTP/1.1", 400),
	LINE("OPTIONS ** HTTP/1.1", 400),
	LINE("CONNECT a:80 HTTP/1.1", 400),
	LINE("GET stream/1 HTTP/1.1", 400),
	LINE("GET ftp://a/ HTTP/1.1", 400),
	LINE("GET http:///x HTTP/1.1", 400),
	LINE("GET http://u@a/ HTTP/1.1", 400),
	LINE("GET http://b/ HTTP/1.1", 400),
	LINE("GET http://a:99999/ HTTP/1.1", 400),
	LINE("GET /../ HTTP/1.1", 400),
	LINE("GET /.. HTTP/1.1", 400),
	LINE("GET /a/../../b HTTP/1.1", 400),
	LINE("GET /%2e%2E/etc HTTP/1.1", 400),
	LINE("GET /.%2e/etc HTTP/1.1", 400),
	LINE("GET /a%2fb HTTP/1.1", 400),
	LINE("GET /a%00 HTTP/1.1", 400),
	LINE("GET /a%0d%0ab HTTP/1.1", 400),
	LINE("GET /% HTTP/1.1", 400),
	LINE("GET /%4 HTTP/1.1", 400),
	LINE("GET /%gg HTTP/1.1", 400),
	LINE("GET /a\"b HTTP/1.1", 400),
	LINE("GET /a\\b HTTP/1.1", 400),
	LINE("GET /a#b HTTP/1.1", 400),
	LINE("GET /?a#b HTTP/1.1", 400),
	LINE("GET /\xff HTTP/1.1", 400),
	/* fields */
	FIELD(" folded: x", 400),
	FIELD("X: a\r\n b", 400),
	FIELD("X: a\r\n\tb", 400),
	CASE("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
	FIELD(": x", 400),
	FIELD("X : x", 400),
	FIELD("X\t: x", 400),
	FIELD("X", 400),
	FIELD("X(: x", 400),
	FIELD("\xc3\xa9: x", 400),
	/* hosts */
	CASE("GET / HTTP/1.1\r\n\r\n", 400),
	FIELD("Host: a", 400),
	FIELD("host: b", 400),
	CASE("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: a\"x\r\n\r\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400),
	CASE("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
	/* bodies */
	FIELD("Content-Length: 3\r\nContent-Length: 4", 400),
	FIELD("Content-Length: 3\r\ncontent-length: 3", 400),
	FIELD("Content-Length: 3, 3", 400),
	FIELD("Content-Length: +3", 400),
	FIELD("Content-Length: -1", 400),
	FIELD("Content-Length: 0x3", 400),
	FIELD("Content-Length: 3 4", 400),
	FIELD("Content-Length:", 400),
	FIELD("Content-Length: 99999999999999999999999", 400),
	FIELD("Content-Length: 16777217", 413),
	FIELD("Content-Length: 3\r\nTransfer-Encoding: chunked", 400),
	FIELD("Transfer-Encoding: chunked\r\nContent-Length: 3", 400),
	FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
	FIELD("Transfer-Encoding:", 400),
	FIELD("Transfer-Encoding: gzip", 400),
	FIELD("Transfer-Encoding: xchunked", 400),
	FIELD("Transfer-Encoding: gzip, chunked", 501),
	FIELD("Transfer-Encoding: gzip ,\tx, chunked", 501),
	FIELD("Transfer-Encoding: gzip, chunked, chunked", 400),
	FIELD("Transfer-Encoding: chunked, identity", 400),
	FIELD("Transfer-Encoding: chunked, chunked", 400),
	FIELD("Transfer-Encoding: chunked,", 400),
	FIELD("Transfer-Encoding: , chunked", 400),
	FIELD("Transfer-Encoding: chunked;x=y", 400),
	FIELD("Transfer-Encoding: \"chunked\"", 400),
	CASE("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
	/* what is not over yet */
	CASE("", 0),
	CASE("\r", 0),
	CASE("GET / HTTP/1.1\r\nHost: a\r\n", 0),
	CASE("GET / HTTP/1.1\r\nHost: a\r\n\r", 0),
};

Test(http_parse, is_strict)
{
	for (size_t i = 0; i < array_size(strict_cases); i++) {
		const struct strict_case *c = &strict_cases[i];

		cr_expect_eq(verdict_of(c->head, c->len), c->status, "%d, not %d: %s",
			     verdict_of(c->head, c->len), c->status, c->head);
	}
}

static int verdict_of_buf(struct buf *head)
{
	int status = verdict_of(head->data, head->len);

	buf_done(head);
	return status;
}

/* A head whose request line is `n` bytes long. */
static int verdict_of_line(size_t n)
{
	struct buf head = BUF_INIT;

	buf_printf(&head, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n",
		   (int)(n - strlen("GET / HTTP/1.1")), 0);
	return verdict_of_buf(&head);
}

/* A head of `n` bytes. */
static int verdict_of_head(size_t n)
{
	struct buf head = BUF_INIT;

	buf_puts(&head, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	buf_printf(&head, "%0*d\r\n\r\n", (int)(n - head.len - 4), 0);
	cr_assert_eq(head.len, n);
	return verdict_of_buf(&head);
}

static int verdict_of_fields(int count)
{
	struct buf head = BUF_INIT;

	buf_puts(&head, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 1; i < count; i++)
		buf_printf(&head, "X-%d: y\r\n", i);
	buf_puts(&head, "\r\n");
	return verdict_of_buf(&head);
}

Test(http_parse, enforces_its_limits_to_the_byte)
{
	cr_expect_eq(verdict_of_line(HTTP_LINE_MAX), 200);
	cr_expect_eq(verdict_of_line(HTTP_LINE_MAX + 1), 414);
	cr_expect_eq(verdict_of_head(HTTP_HEAD_MAX), 200);
	cr_expect_eq(verdict_of_head(HTTP_HEAD_MAX + 1), 431);
	cr_expect_eq(verdict_of_fields(HTTP_FIELDS_MAX), 200);
	cr_expect_eq(verdict_of_fields(HTTP_FIELDS_MAX + 1), 431);
}

Test(http_parse, refuses_an_endless_line_before_it_ends)
{
	static char flood[HTTP_HEAD_MAX * 2];

	memset(flood, 'a', sizeof(flood));
	cr_expect_eq(verdict_of(flood, sizeof(flood)), 414);
	memcpy(flood, "GET / HTTP/1.1\r\nX: ", 19);
	cr_expect_eq(verdict_of(flood, sizeof(flood)), 431);
}

Test(http_parse, cuts_a_head_into_its_parts)
{
	static const char head[] = "HEAD /stream/5.ts?variant=sd HTTP/1.1\r\nhOST:  tv.lan:80 \r\n"
				   "Accept:\tx\t\r\nExpect: 100-Continue\r\n\r\nGET next";
	struct outcome o = feed(head, sizeof(head) - 1, sizeof(head) - 1);
	const struct http_request *r = &o.request;

	cr_assert_eq(o.verdict, HTTP_HEAD_COMPLETE);
	cr_expect_eq(r->method, HTTP_HEAD);
	cr_expect(span_is(r->path, "/stream/5.ts"));
	cr_expect(span_is(r->query, "variant=sd"));
	cr_expect(span_is(r->host, "tv.lan:80"));
	cr_expect(span_is(http_field(r, "accept"), "x"));
	cr_expect_null(http_field(r, "X-None").at);
	cr_expect(r->keep_alive && r->minor == 1 && !r->has_length);
	cr_expect_eq(r->head_bytes, sizeof(head) - 1 - strlen("GET next"));
}

static bool keeps_alive(const char *rest)
{
	char head[256];
	struct outcome o;

	snprintf(head, sizeof(head), "GET / HTTP/1.%s\r\n\r\n", rest);
	o = feed(head, strlen(head), 1);
	cr_assert_eq(o.verdict, HTTP_HEAD_COMPLETE);
	return o.request.keep_alive;
}

Test(http_parse, knows_when_a_connection_is_kept)
{
	cr_expect(keeps_alive("1\r\nHost: a"));
	cr_expect(!keeps_alive("1\r\nHost: a\r\nConnection: Close"));
	cr_expect(!keeps_alive("1\r\nHost: a\r\nConnection: keep-alive, close"));
	cr_expect(!keeps_alive("1\r\nHost: a\r\nConnection: x\r\nConnection: close"));
	cr_expect(!keeps_alive("0"));
	cr_expect(keeps_alive("0\r\nConnection: Keep-Alive"));
	cr_expect(!keeps_alive("0\r\nConnection: close, keep-alive"));
}

static int query(const char *text, const char *name, char *dst, size_t cap)
{
	struct http_request r = {.query = {text, strlen(text)}};

	http_parse_query(&r);
	return http_query(&r, name, dst, cap);
}

Test(http_parse, parses_a_query_once_into_its_parameters)
{
	struct http_request r;
	size_t scanned = 0;
	const char *reason;
	int status;
	static const char head[] = "GET /?a=1&&b&a=%2&=x HTTP/1.1\r\nHost: a\r\n\r\n";
	char v[8];

	cr_assert_eq(http_parse_head(head, strlen(head), &scanned, &r, &status, &reason),
		     HTTP_HEAD_COMPLETE);
	cr_assert_eq(r.parameter_count, 5);
	cr_expect(span_is(r.parameters[0].name, "a") && span_is(r.parameters[0].value, "1"));
	cr_expect_eq(r.parameters[1].name.len, 0);
	cr_expect(span_is(r.parameters[2].name, "b") && r.parameters[2].value.len == 0);
	cr_expect_eq(http_query(&r, "a", v, sizeof(v)), 1, "the first counts");
	cr_expect_str_eq(v, "1");
	cr_expect_eq(http_query(&r, "c", v, sizeof(v)), 0);
	cr_expect_eq(r.query_rest.len, 0);
}

Test(http_parse, finds_parameters_behind_those_of_the_table)
{
	char text[HTTP_PARAMETERS_MAX * 3 + 32] = "", v[8];

	for (int i = 0; i < HTTP_PARAMETERS_MAX + 2; i++)
		strcat(text, "x&");
	strcat(text, "b=2&b=3&c=%");
	cr_expect_eq(query(text, "b", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "2");
	cr_expect_eq(query(text, "c", v, sizeof(v)), -EINVAL);
	cr_expect_eq(query(text, "d", v, sizeof(v)), 0);
}

Test(http_parse, decodes_query_values)
{
	char v[16];

	cr_expect_eq(query("a=1&b=x%20y+z&c", "b", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "x y z");
	cr_expect_eq(query("a=1&b=2&b=3", "b", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "2");
	cr_expect_eq(query("a=1&c", "c", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "");
	cr_expect_eq(query("a=1&%62=4", "b", v, sizeof(v)), 1);
	cr_expect_eq(query("ab=1&&=&B=2", "b", v, sizeof(v)), 0);
	cr_expect_eq(query("", "b", v, sizeof(v)), 0);
	cr_expect_eq(query("b=HD%2B", "b", v, 4), 1);
	cr_expect_str_eq(v, "HD+");
	cr_expect_eq(query("b=HD%2B", "b", v, 3), -E2BIG);
	cr_expect_eq(query("b=%c3%bc", "b", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "\xc3\xbc");
}

Test(http_parse, refuses_query_values_that_are_not_text)
{
	static const char *const bad[] = {
		"b=%",	  "b=%4",  "b=%zz",    "b=%00",	      "b=%0a",		"b=%7f",
		"b=\xff", "b=%c3", "b=%c0%80", "b=%ed%a0%80", "b=%f5%80%80%80", "b=%e0%80%80"};
	char v[16];

	for (size_t i = 0; i < array_size(bad); i++)
		cr_expect_eq(query(bad[i], "b", v, sizeof(v)), -EINVAL, "%s", bad[i]);
}

Test(http_parse, decodes_segments)
{
	char v[8];

	cr_expect_eq(http_decode_segment((struct span){"HD+%31", 6}, v, sizeof(v)), 0);
	cr_expect_str_eq(v, "HD+1");
	cr_expect_eq(http_decode_segment((struct span){"%1f", 3}, v, sizeof(v)), -EINVAL);
	cr_expect_eq(http_decode_segment((struct span){"12345678", 8}, v, sizeof(v)), -E2BIG);
}
