#include "amps-worker/live/websocket.h"

#include <assert.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <string.h>
#include <wslay/wslay.h>

/* of RFC 6455, 1.3 */
#define ACCEPT_SALT    "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_TEXT       24u /* 16 bytes in Base64 */
#define BINARY_FINAL   0x82u
#define CLOSE_FINAL    0x88u
#define LENGTH_16      126u
#define CODE_TRY_AGAIN 1013 /* registered after the RFC */
/* a whole number of transport stream packets, whose rest a blocked client may have to keep */
#define PAYLOAD_MAX (87u * 188u)

struct websocket {
	struct packer packer; /* first */
	wslay_event_context_ptr parser;
	/* for the callbacks of receive() */
	const uint8_t *at;
	size_t left;
	struct buf *out;
};

static bool has_element(struct span list, const char *text)
{
	struct span e;

	while (http_next_element(&list, &e))
		if (span_is_nocase(e, text))
			return true;
	return false;
}

static bool is_key(struct span key)
{
	static const char last[] = "AQgw"; /* the last digit has two bits only */

	if (key.len != KEY_TEXT || key.at[KEY_TEXT - 2] != '=' || key.at[KEY_TEXT - 1] != '=' ||
	    !strchr(last, key.at[KEY_TEXT - 3]))
		return false;
	for (size_t i = 0; i < KEY_TEXT - 2; i++) {
		char c = key.at[i], letter = (char)(c | 0x20);

		if (!((letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
		      c == '/'))
			return false;
	}
	return true;
}

int websocket_judge(const struct http_request *q, const char **ret_reason)
{
	if (q->method != HTTP_GET || q->minor == 0 ||
	    !has_element(http_field(q, "Upgrade"), "websocket") ||
	    !has_element(http_field(q, "Connection"), "upgrade")) {
		*ret_reason = "this address is for a WebSocket";
		return 426;
	}
	if (!span_is(http_field(q, "Sec-WebSocket-Version"), "13")) {
		*ret_reason = "the version of a WebSocket is 13";
		return 426;
	}
	if (!is_key(http_field(q, "Sec-WebSocket-Key"))) {
		*ret_reason = "Sec-WebSocket-Key is not 16 bytes in Base64";
		return 400;
	}
	return 0;
}

void websocket_accept(const struct http_request *q, char ret[WEBSOCKET_ACCEPT + 1])
{
	struct span key = http_field(q, "Sec-WebSocket-Key");
	uint8_t digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx sha;

	static_assert(BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE) == WEBSOCKET_ACCEPT, "its length");
	sha1_init(&sha);
	sha1_update(&sha, key.len, (const uint8_t *)key.at);
	sha1_update(&sha, sizeof(ACCEPT_SALT) - 1, (const uint8_t *)ACCEPT_SALT);
	sha1_digest(&sha, sizeof(digest), digest);
	base64_encode_raw(ret, sizeof(digest), digest);
	ret[WEBSOCKET_ACCEPT] = '\0';
}

bool websocket_offers(const struct http_request *q, const char *protocol)
{
	return has_element(http_field(q, "Sec-WebSocket-Protocol"), protocol);
}

static size_t frame_head(struct packer *p, size_t ahead, const uint8_t *payload, size_t n,
			 uint8_t to[PACKER_HEAD_MAX])
{
	(void)p;
	(void)ahead;
	(void)payload;
	assert(n > 0 && n <= UINT16_MAX);
	to[0] = BINARY_FINAL;
	if (n < LENGTH_16) {
		to[1] = (uint8_t)n;
		return 2;
	}
	to[1] = LENGTH_16;
	to[2] = (uint8_t)(n >> 8);
	to[3] = (uint8_t)n;
	return 4;
}

static void took(struct packer *p, size_t units, size_t bytes)
{
	(void)p;
	(void)units;
	(void)bytes;
}

static ssize_t on_read(wslay_event_context_ptr parser, uint8_t *to, size_t len, int flags,
		       void *user)
{
	struct websocket *w = user;
	size_t n = MIN(len, w->left);

	(void)flags;
	if (n == 0) {
		wslay_event_set_error(parser, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(to, w->at, n);
	w->at += n;
	w->left -= n;
	return (ssize_t)n;
}

static ssize_t on_write(wslay_event_context_ptr parser, const uint8_t *bytes, size_t len, int flags,
			void *user)
{
	struct websocket *w = user;

	(void)flags;
	buf_add(w->out, bytes, len);
	if (buf_ok(w->out))
		return (ssize_t)len;
	wslay_event_set_error(parser, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static size_t write_close(uint16_t code, uint8_t to[4])
{
	to[0] = CLOSE_FINAL;
	to[1] = 2;
	to[2] = (uint8_t)(code >> 8);
	to[3] = (uint8_t)code;
	return 4;
}

static size_t close_frame(const struct packer *p, enum viewer_end why, uint8_t to[PACKER_WORDS_MAX])
{
	static const uint16_t codes[VIEWER_END_COUNT_] = {
		[VIEWER_END_SERVER] = WSLAY_CODE_GOING_AWAY,
		[VIEWER_END_SOURCE] = WSLAY_CODE_NORMAL_CLOSURE,
		[VIEWER_END_FAILURE] = WSLAY_CODE_INTERNAL_SERVER_ERROR,
		[VIEWER_END_SLOW] = CODE_TRY_AGAIN,
		[VIEWER_END_KICKED] = WSLAY_CODE_POLICY_VIOLATION};

	(void)p;
	return codes[why] ? write_close(codes[why], to) : 0;
}

/* The parser has refused a frame: closes the connection.  The parser gives its own code only for
 * messages; other faults are protocol errors. */
static int refuse(const struct websocket *w, struct buf *out)
{
	uint16_t code = wslay_event_get_status_code_sent(w->parser);
	uint8_t words[4];

	if (!buf_ok(out))
		return -ENOMEM;
	if (code != WSLAY_CODE_MESSAGE_TOO_BIG && code != WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA)
		code = WSLAY_CODE_PROTOCOL_ERROR;
	buf_reset(out);
	buf_add(out, words, write_close(code, words));
	return -EPROTO;
}

static int receive(struct packer *p, const void *bytes, size_t n, struct buf *out)
{
	struct websocket *w = (struct websocket *)p;
	bool failed;

	w->at = bytes;
	w->left = n;
	w->out = out;
	failed = wslay_event_recv(w->parser) != 0;
	if (wslay_event_want_write(w->parser) && wslay_event_send(w->parser) != 0)
		failed = true;
	w->out = NULL;
	if (!failed && wslay_event_want_read(w->parser))
		return 0;
	/* the answer to a close is complete */
	return wslay_event_get_close_received(w->parser) && !failed ? -EPIPE : refuse(w, out);
}

static void websocket_free(struct packer *p)
{
	struct websocket *w = (struct websocket *)p;

	wslay_event_context_free(w->parser);
	free(w);
}

struct packer *websocket_new(void)
{
	static const struct packer_ops ops = {.payload_max = PAYLOAD_MAX,
					      .head = frame_head,
					      .took = took,
					      .receive = receive,
					      .end = close_frame,
					      .free = websocket_free};
	static const struct wslay_event_callbacks calls = {.recv_callback = on_read,
							   .send_callback = on_write};
	struct websocket *w = calloc(1, sizeof(*w));

	static_assert(offsetof(struct websocket, packer) == 0, "a packer is cast to its websocket");
	if (!w)
		return NULL;
	w->packer.ops = &ops;
	if (wslay_event_context_server_init(&w->parser, &calls, w) != 0) {
		free(w);
		return NULL;
	}
	wslay_event_config_set_max_recv_msg_length(w->parser, WEBSOCKET_MESSAGE_MAX);
	return &w->packer;
}
