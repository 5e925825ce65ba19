/* body.c - parses answers as they arrive: the head, the three body framings of RFC 9112, and the
 * frames and packets in which other protocols wrap their media */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/bench/load/load.h"

void body_count(struct load *l, struct client *c, size_t n, uint64_t now_ns)
{
	if (!c->first_ns) {
		c->first_ns = now_ns;
		if (l->o.raw)
			c->ts.access_ns = now_ns; /* without parsing, the first byte counts */
	} else if (l->in_window && c->last_ns) {
		c->gap_ns = MAX(c->gap_ns, now_ns - c->last_ns);
	}
	c->last_ns = now_ns;
	if (l->in_window)
		c->window_bytes += n;
}

static void media(struct load *l, struct client *c, const uint8_t *p, size_t n, uint64_t now_ns)
{
	body_count(l, c, n, now_ns);
	if (l->o.adts)
		adts_feed(&c->sound, p, n);
	if (l->o.raw || !client_parses(l, c))
		return;
	ts_judge_feed(&c->ts, p, n, now_ns);
	if (c->verified)
		packet_run_settle(&c->run, &l->log);
}

/* Takes media up to the end of the Content-Length or the chunk.  Returns the bytes taken. */
static size_t media_left(struct load *l, struct client *c, const uint8_t *p, size_t n,
			 uint64_t now_ns)
{
	size_t take = MIN(n, c->left);

	media(l, c, p, take, now_ns);
	c->left -= take;
	return take;
}

static void chunk_size_ends(struct client *c)
{
	c->chunk = c->left ? CHUNK_DATA : CHUNK_TRAILER;
}

static void chunk_size_byte(struct client *c, uint8_t byte)
{
	if (isxdigit(byte))
		c->left = c->left * 16 +
			  (uint64_t)(byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10);
	else if (byte == '\n')
		chunk_size_ends(c);
	else if (byte == ';')
		c->chunk = CHUNK_EXTENSION;
}

/* Parses the next part of a chunked body.  Returns the bytes taken. */
static size_t chunk_step(struct load *l, struct client *c, const uint8_t *p, size_t n,
			 uint64_t now_ns)
{
	size_t took = 1;

	switch (c->chunk) {
	case CHUNK_SIZE:
		chunk_size_byte(c, *p);
		break;
	case CHUNK_EXTENSION:
		if (*p == '\n')
			chunk_size_ends(c);
		break;
	case CHUNK_DATA:
		took = media_left(l, c, p, n, now_ns);
		if (!c->left)
			c->chunk = CHUNK_END;
		break;
	case CHUNK_END:
		if (*p == '\n')
			c->chunk = CHUNK_SIZE;
		break;
	case CHUNK_TRAILER:
		break;
	}
	return took;
}

/* The length of the head of which wrap_len bytes are there. */
static size_t wrap_head(const struct load *l, const struct client *c)
{
	if (l->o.protocol == LOAD_RTSP)
		return c->wrap_len < 4 || c->wrap[1] ? 4 : 16;
	if (c->wrap_len < 2 || c->wrap[1] < 126)
		return 2;
	return c->wrap[1] == 126 ? 4 : 10;
}

/* The head is complete. */
static void wrap_begins(const struct load *l, struct client *c)
{
	if (l->o.protocol == LOAD_RTSP) {
		c->left = (uint64_t)c->wrap[2] << 8 | c->wrap[3];
		c->skip = c->wrap[1] != 0;
		if (!c->skip) {
			rtsp_count(c, c->wrap + 4);
			c->left -= 12;
		}
	} else {
		c->skip = (c->wrap[0] & 15) != 2;
		c->left = c->wrap_len == 2 ? c->wrap[1] : 0;
		for (size_t i = 2; i < c->wrap_len; i++)
			c->left = c->left << 8 | c->wrap[i];
	}
	c->wrap_len = 0;
}

/* Takes the next part of frames or interleaved packets.  Returns the bytes taken. */
static size_t wrap_step(struct load *l, struct client *c, const uint8_t *p, size_t n,
			uint64_t now_ns)
{
	size_t take = MIN(n, c->left);

	if (c->left && c->skip)
		c->left -= take;
	else if (c->left)
		media_left(l, c, p, take, now_ns);
	if (take)
		return take;
	c->wrap[c->wrap_len++] = *p;
	if (c->wrap_len == wrap_head(l, c))
		wrap_begins(l, c);
	return 1;
}

int body_feed(struct load *l, struct client *c, const uint8_t *p, size_t n, uint64_t now_ns)
{
	size_t took;

	switch (c->body) {
	case BODY_CLOSE:
		media(l, c, p, n, now_ns);
		return 0;
	case BODY_LENGTH:
		media_left(l, c, p, n, now_ns);
		return c->left == 0;
	case BODY_CHUNKED:
		for (; n && c->chunk != CHUNK_TRAILER; p += took, n -= took)
			took = chunk_step(l, c, p, n, now_ns);
		return c->chunk == CHUNK_TRAILER;
	case BODY_WRAPPED:
		for (; n; p += took, n -= took)
			took = wrap_step(l, c, p, n, now_ns);
		return 0;
	case BODY_DATAGRAMS:
		if (n <= 12)
			return -1;
		rtsp_count(c, p);
		media(l, c, p + 12, n - 12, now_ns);
		return 0;
	}
	return -1;
}

const char *body_field(const char *head, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = strstr(head, "\r\n"); p; p = strstr(p, "\r\n")) {
		p += 2;
		if (strncasecmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " ");
	}
	return NULL;
}

static void choose_body(const struct load *l, struct client *c)
{
	const char *coding = body_field(c->head, "Transfer-Encoding");
	const char *length = body_field(c->head, "Content-Length");

	c->body = BODY_CLOSE;
	c->left = 0;
	if (l->o.protocol != LOAD_HTTP) {
		c->body = l->o.protocol == LOAD_RTSP_UDP ? BODY_DATAGRAMS : BODY_WRAPPED;
	} else if (coding && strncasecmp(coding, "chunked", 7) == 0) {
		c->body = BODY_CHUNKED;
		c->chunk = CHUNK_SIZE;
	} else if (length) {
		c->body = BODY_LENGTH;
		c->left = strtoull(length, NULL, 10);
	}
}

int head_feed(struct load *l, struct client *c, const uint8_t *p, size_t n, uint64_t now_ns)
{
	size_t take = MIN(n, LOAD_HEAD_MAX - 1 - c->head_len), used;
	char *end;

	memcpy(c->head + c->head_len, p, take);
	c->head[c->head_len + take] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		c->head_len += take;
		return c->head_len >= LOAD_HEAD_MAX - 1 ? -1 : 0;
	}
	used = (size_t)(end + 4 - c->head) - c->head_len;
	end[2] = '\0';
	if (sscanf(c->head, "%*s %d", &c->status) != 1 ||
	    c->status != (l->o.protocol == LOAD_WS ? 101 : 200))
		return -1;
	if (l->o.protocol >= LOAD_RTSP) {
		int r = rtsp_answered(l, c);

		if (r <= 0)
			return r;
	}
	choose_body(l, c);
	c->state = CLIENT_BODY;
	l->in_body++;
	free(c->head);
	c->head = NULL;
	return n > used ? body_feed(l, c, p + used, n - used, now_ns) : 0;
}
