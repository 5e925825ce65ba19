#include <string.h>
#include "amps-worker/live/websocket.h"
#include "unit.h"

#define FIELDS                                                                                     \
	"Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" /* of RFC 6455, 1.3 */

/* The request lives until the next call. */
static const struct http_request *request(const char *line, const char *fields)
{
	static struct http_request q;
	static char text[512];
	const char *reason;
	size_t scanned = 0;
	int status, n = snprintf(text, sizeof(text), "%s\r\nHost: tv\r\n%s\r\n", line, fields);

	cr_assert_eq(http_parse_head(text, (size_t)n, &scanned, &q, &status, &reason),
		     HTTP_HEAD_COMPLETE, "%s", text);
	return &q;
}

Test(websocket, the_handshake_of_the_rfc)
{
	const struct http_request *q = request("GET /ws/1 HTTP/1.1", FIELDS KEY);
	char accept[WEBSOCKET_ACCEPT + 1];
	const char *reason;

	cr_assert_eq(websocket_judge(q, &reason), 0);
	websocket_accept(q, accept);
	cr_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

Test(websocket, other_requests_are_no_handshake)
{
	static const struct {
		const char *line, *fields;
		int status;
	} cases[] = {
		{"GET /ws/1 HTTP/1.1", "", 426},
		{"GET /ws/1 HTTP/1.0", FIELDS KEY, 426},
		{"HEAD /ws/1 HTTP/1.1", FIELDS KEY, 426},
		{"GET /ws/1 HTTP/1.1", "Upgrade: websocket\r\nConnection: close\r\n" KEY, 426},
		{"GET /ws/1 HTTP/1.1",
		 "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\n" KEY,
		 426},
		{"GET /ws/1 HTTP/1.1", FIELDS, 400},
		/* too short; too long; the last digit has bits that stand for nothing; no digit */
		{"GET /ws/1 HTTP/1.1", FIELDS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n", 400},
		{"GET /ws/1 HTTP/1.1", FIELDS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZUFB\r\n",
		 400},
		{"GET /ws/1 HTTP/1.1", FIELDS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n",
		 400},
		{"GET /ws/1 HTTP/1.1", FIELDS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j_Q==\r\n",
		 400},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		const char *reason = NULL;

		cr_expect_eq(websocket_judge(request(cases[i].line, cases[i].fields), &reason),
			     cases[i].status, "case %zu", i);
		cr_expect(reason, "case %zu", i);
	}
}

Test(websocket, offers)
{
	const struct http_request *q =
		request("GET /ws/1 HTTP/1.1", "Sec-WebSocket-Protocol: token.YWJj, amps\r\n");

	cr_assert(websocket_offers(q, "amps"));
	cr_assert_not(websocket_offers(q, "amp"));
}

Test(websocket, heads_of_frames)
{
	struct packer *p = websocket_new();
	uint8_t media[256] = {0}, head[PACKER_HEAD_MAX];

	cr_assert_eq(p->ops->head(p, 0, media, 125, head), 2u);
	cr_assert_arr_eq(head, "\x82\x7d", 2);
	cr_assert_eq(p->ops->head(p, 0, media, 126, head), 4u);
	cr_assert_arr_eq(head, "\x82\x7e\0\x7e", 4);
	cr_assert_eq(p->ops->head(p, 0, media, p->ops->payload_max, head), 4u);
	cr_assert_eq(head[2] << 8 | head[3], (int)p->ops->payload_max);
	p->ops->free(p);
}

/* What the server answers to these bytes; true if the connection goes on. */
static bool receive(const void *bytes, size_t n, struct buf *out)
{
	struct packer *p = websocket_new();
	int e = p->ops->receive(p, bytes, n, out);

	cr_assert(buf_ok(out));
	p->ops->free(p);
	return e == 0;
}

Test(websocket, a_ping_is_answered_and_data_is_dropped)
{
	struct buf out = BUF_INIT;

	cr_assert(receive("\x89\x82\0\0\0\0hi", 8, &out));
	cr_assert_eq(out.len, 4u);
	cr_assert_arr_eq(out.data, "\x8a\x02hi", 4);
	buf_reset(&out);
	cr_assert(receive("\x82\x82\0\0\0\0hi", 8, &out));
	cr_assert_eq(out.len, 0u);
	buf_done(&out);
}

Test(websocket, what_breaks_the_protocol_closes_with_a_code)
{
	static const struct {
		const char *bytes;
		size_t n;
		unsigned code;
	} cases[] = {
		{"\x82\x02hi", 4, 1002},		  /* without a mask */
		{"\xc2\x82\0\0\0\0hi", 8, 1002},	  /* a reserved bit */
		{"\x83\x82\0\0\0\0hi", 8, 1002},	  /* an opcode that is none */
		{"\x81\x81\0\0\0\0\xff", 7, 1007},	  /* text that is not UTF-8 */
		{"\x82\xfe\xff\xff\0\0\0\0hi", 10, 1009}, /* 65,535 bytes */
		{"\x88\x82\0\0\0\0\x03\xe8", 8, 1000},	  /* a close, which is answered */
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct buf out = BUF_INIT;

		cr_expect_not(receive(cases[i].bytes, cases[i].n, &out), "case %zu", i);
		cr_assert_eq(out.len, 4u, "case %zu", i);
		cr_expect_eq((uint8_t)out.data[0], 0x88, "case %zu", i);
		cr_expect_eq((unsigned)((uint8_t)out.data[2] << 8 | (uint8_t)out.data[3]),
			     cases[i].code, "case %zu", i);
		buf_done(&out);
	}
}

Test(websocket, the_end_has_a_code)
{
	static const unsigned codes[VIEWER_END_COUNT_] = {[VIEWER_END_SERVER] = 1001,
							  [VIEWER_END_SOURCE] = 1000,
							  [VIEWER_END_FAILURE] = 1011,
							  [VIEWER_END_SLOW] = 1013,
							  [VIEWER_END_KICKED] = 1008};
	struct packer *p = websocket_new();
	uint8_t words[PACKER_WORDS_MAX];

	for (enum viewer_end why = 0; why < VIEWER_END_COUNT_; why++) {
		size_t n = p->ops->end(p, why, words);

		cr_expect_eq(n, codes[why] ? 4u : 0u, "end %d", why);
		cr_expect(!n || (unsigned)(words[2] << 8 | words[3]) == codes[why], "end %d", why);
	}
	p->ops->free(p);
}
