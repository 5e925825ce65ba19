#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include "unit.h"
#include "worker/catalog_fixture.h"

#define BODY_REPEATS 200

/* A reply of a shared body of some kilobytes of text. */
static struct reply shared_reply(void)
{
	struct body_cache *cache = body_cache_new(1 << 20);
	struct buf plain = BUF_INIT;
	struct reply r;

	for (int i = 0; i < BODY_REPEATS; i++)
		buf_puts(&plain, "the same words again and again\n");
	reply_init(&r);
	r.kind = REPLY_SHARED;
	r.shared = body_cache_put(cache, "k", 1, &plain, "text/plain", 0, INT64_MAX);
	cr_assert_not_null(r.shared);
	cr_assert_not_null(r.shared->gzip);
	body_cache_free(cache);
	return r;
}

/* Renders for a request with these fields; the head is the caller's to free. */
static char *render(struct reply *r, const char *method, const char *fields, struct span *body)
{
	struct http_request http;
	struct reply_terms terms;
	struct buf head = BUF_INIT;
	static char text[1024];

	snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, fields);
	cr_assert(fixture_request(text, &http));
	terms = reply_terms(&http);
	cr_assert_eq(reply_render(r, &terms, FIXTURE_NOW, &head, body), 0);
	cr_assert(head.len > 4 && !strcmp(head.data + head.len - 4, "\r\n\r\n"));
	return head.data;
}

static void expect(struct reply *r, const char *method, const char *fields, const char *holds,
		   size_t body_len)
{
	struct span body = {0};
	int asked = r->status;
	char *head = render(r, method, fields, &body);

	cr_expect(strstr(head, holds), "%s%s lacks %s: %s", method, fields, holds, head);
	cr_expect_eq(r->status, atoi(head + strlen("HTTP/1.1 ")), "the reply says %d", r->status);
	r->status = asked; /* one reply is rendered many times here only */
	cr_expect_eq(body.len, body_len, "%s%s: %zu bytes", method, fields, body.len);
	free(head);
}

Test(reply, sends_owned_bytes)
{
	struct reply r;

	reply_init(&r);
	r.type = "text/plain";
	buf_puts(&r.body, "hello");
	expect(&r, "GET", "", "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n", 5);
	expect(&r, "GET", "", "Content-Length: 5\r\n", 5);
	expect(&r, "GET", "", "Content-Type: text/plain\r\n", 5);
	expect(&r, "HEAD", "", "Content-Length: 5\r\n", 0);
	expect(&r, "GET", "Connection: close\r\n", "Connection: close\r\n", 5);
	r.close = true;
	expect(&r, "GET", "", "Connection: close\r\n", 5);
	reply_done(&r);
}

Test(reply, compresses_for_clients_that_accept_gzip)
{
	struct reply r = shared_reply();
	size_t plain = r.shared->plain_len, gzip = r.shared->gzip_len;

	expect(&r, "GET", "", "Vary: Accept-Encoding\r\n", plain);
	expect(&r, "GET", "Accept-Encoding: br, GZIP\r\n", "Content-Encoding: gzip\r\n", gzip);
	expect(&r, "GET", "Accept-Encoding: *\r\n", "Content-Encoding: gzip\r\n", gzip);
	expect(&r, "GET", "Accept-Encoding: gzip;q=0.5\r\n", "Content-Encoding: gzip\r\n", gzip);
	expect(&r, "GET", "Accept-Encoding: gzip ; q=0.0, *\r\n", "Vary", plain);
	expect(&r, "GET", "Accept-Encoding: gzip;q=0\r\n", "Vary", plain);
	expect(&r, "GET", "Accept-Encoding: identity\r\n", "Vary", plain);
	expect(&r, "GET", "Accept-Encoding: xgzip\r\n", "Vary", plain);
	reply_done(&r);
}

Test(reply, compression_can_be_undone)
{
	struct reply r = shared_reply();
	struct span body = {0};
	char *head = render(&r, "GET", "Accept-Encoding: gzip\r\n", &body), out[BODY_REPEATS * 40];
	z_stream z = {.next_in = (Bytef *)(uintptr_t)body.at,
		      .avail_in = (uInt)body.len,
		      .next_out = (Bytef *)out,
		      .avail_out = sizeof(out)};

	cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
	cr_expect_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
	cr_expect_eq(z.total_out, r.shared->plain_len);
	cr_expect_arr_eq(out, r.shared->plain, r.shared->plain_len);
	inflateEnd(&z);
	free(head);
	reply_done(&r);
}

Test(reply, answers_304_to_a_known_etag)
{
	struct reply r = shared_reply();
	size_t plain = r.shared->plain_len, gzip = r.shared->gzip_len;
	char fields[128], coded[256], etag[64];

	snprintf(etag, sizeof(etag), "ETag: %s\r\n", r.shared->etag);
	expect(&r, "GET", "", etag, plain);
	snprintf(fields, sizeof(fields), "If-None-Match: \"x\", W/%s\r\n", r.shared->etag);
	expect(&r, "GET", fields, "HTTP/1.1 304 Not Modified\r\n", 0);
	expect(&r, "GET", fields, etag, 0);
	expect(&r, "HEAD", fields, "HTTP/1.1 304 Not Modified\r\n", 0);
	snprintf(coded, sizeof(coded), "Accept-Encoding: gzip\r\n%s", fields);
	expect(&r, "GET", coded, "HTTP/1.1 200 OK\r\n", gzip);
	snprintf(coded, sizeof(coded), "Accept-Encoding: gzip\r\nIf-None-Match: %.*s-gz\"\r\n",
		 (int)strlen(r.shared->etag) - 1, r.shared->etag);
	expect(&r, "GET", coded, "HTTP/1.1 304 Not Modified\r\n", 0);
	expect(&r, "GET", "If-None-Match: *\r\n", "HTTP/1.1 304", 0);
	expect(&r, "GET", "If-None-Match: \"x\"\r\n", "HTTP/1.1 200", plain);
	expect(&r, "GET", "If-None-Match: \r\n", "HTTP/1.1 200", plain);
	reply_done(&r);
}

Test(reply, writes_errors_as_json)
{
	struct reply r;

	reply_init(&r);
	buf_puts(&r.body, "half an answer");
	reply_error(&r, 503, 7, "a \"%s\" \\ \n\x01", "\xc3\xbc");
	cr_expect_str_eq(r.body.data, "{\"error\": \"a \\\"\xc3\xbc\\\" \\\\ \\u000a\\u0001\"}\n");
	expect(&r, "GET", "", "HTTP/1.1 503 Service Unavailable\r\n", r.body.len);
	expect(&r, "GET", "", "Retry-After: 7\r\n", r.body.len);
	reply_done(&r);
	reply_init(&r);
	reply_error(&r, 401, 0, "no");
	expect(&r, "GET", "", "WWW-Authenticate: Bearer realm=\"amps\"\r\n", r.body.len);
	reply_done(&r);
}

Test(reply, lets_no_field_be_split)
{
	struct reply r;

	reply_init(&r);
	reply_field(&r, "X-Good", "%s", "yes");
	reply_field(&r, "X-Bad", "%s", "a\r\nX-Forged: b");
	reply_field(&r, "X-Bad\n", "x");
	cr_expect_str_eq(r.fields.data, "X-Good: yes\r\n");
	reply_done(&r);
}

Test(reply, streams_end_with_their_connection)
{
	struct span body = {0};
	struct reply r;
	char *head;

	reply_init(&r);
	r.kind = REPLY_STREAM;
	r.media = true;
	r.type = "video/mp2t";
	head = render(&r, "GET", "Connection: keep-alive\r\nRange: bytes=0-\r\n", &body);
	cr_expect(strstr(head, "HTTP/1.1 200 OK\r\n"));
	cr_expect(strstr(head, "Content-Type: video/mp2t\r\n"));
	cr_expect(strstr(head, "Connection: close\r\n"));
	cr_expect(strstr(head, "Access-Control-Allow-Origin: *\r\n"));
	cr_expect_null(strstr(head, "Content-Length"));
	cr_expect_null(strstr(head, "Accept-Ranges"));
	cr_expect_null(strstr(head, "Transfer-Encoding"));
	cr_expect_eq(body.len, 0);
	free(head);
	reply_done(&r);
}

Test(reply, keeps_http_1_0_connections_on_request)
{
	struct http_request http;
	struct reply_terms terms;
	struct buf head = BUF_INIT;
	struct span body;
	struct reply r;

	reply_init(&r);
	cr_assert(fixture_request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &http));
	terms = reply_terms(&http);
	cr_assert_eq(reply_render(&r, &terms, FIXTURE_NOW, &head, &body), 0);
	cr_expect(strstr(head.data, "Connection: keep-alive\r\n"));
	buf_done(&head);
	reply_done(&r);
}

Test(reply, leaves_out_a_field_that_is_too_long)
{
	char value[HTTP_LINE_MAX + 1];
	struct reply r;

	memset(value, 'x', HTTP_LINE_MAX);
	value[HTTP_LINE_MAX] = '\0';
	reply_init(&r);
	reply_field(&r, "X-Long", "%s", value);
	cr_expect_eq(r.fields.len, 0);
	value[HTTP_LINE_MAX - 1] = '\0';
	reply_field(&r, "X-Long", "%s", value);
	cr_expect_eq(r.fields.len, strlen("X-Long: \r\n") + HTTP_LINE_MAX - 1);
	reply_done(&r);
}
