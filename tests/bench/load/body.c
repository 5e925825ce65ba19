/* body.c - parses answers as they arrive: the head, and the three body framings of RFC 9112 */
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
	}
	return -1;
}

static const char *find_field(const char *head, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = strstr(head, "\r\n"); p; p = strstr(p, "\r\n")) {
		p += 2;
		if (strncasecmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " ");
	}
	return NULL;
}

static void choose_body(struct client *c)
{
	const char *coding = find_field(c->head, "Transfer-Encoding");
	const char *length = find_field(c->head, "Content-Length");

	c->body = BODY_CLOSE;
	c->left = 0;
	if (coding && strncasecmp(coding, "chunked", 7) == 0) {
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
	if (sscanf(c->head, "%*s %d", &c->status) != 1 || c->status != 200)
		return -1;
	choose_body(c);
	c->state = CLIENT_BODY;
	l->in_body++;
	free(c->head);
	c->head = NULL;
	return n > used ? body_feed(l, c, p + used, n - used, now_ns) : 0;
}
