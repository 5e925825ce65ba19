#include "amps-worker/http/incoming.h"

#include <assert.h>
#include <string.h>

#include "common/text/text.h"

#define SIZE_DIGITS_MAX 8

struct incoming incoming_of(const struct http_request *q, uint32_t max)
{
	assert(q->chunked || q->content_length <= max);
	return (struct incoming){
		.part = q->chunked ? INCOMING_SIZE : INCOMING_BYTES,
		.chunked = q->chunked,
		.max = max,
		.reserved = q->chunked ? max : (uint32_t)q->content_length,
		.left = q->content_length,
		.begin = q->head_bytes,
		.end = q->head_bytes,
		.at = q->head_bytes,
	};
}

static void begin_line(struct incoming *in, enum incoming_part part)
{
	in->part = part;
	in->line = 0;
	in->after_cr = in->digits = false;
	if (part == INCOMING_SIZE)
		in->left = 0;
}

static void take_bytes(struct incoming *in, char *bytes, size_t len)
{
	size_t n = (size_t)MIN(in->left, len - in->at);

	if (in->end != in->at)
		memmove(bytes + in->end, bytes + in->at, n);
	in->end += n;
	in->at += n;
	in->left -= n;
	if (in->left == 0 && in->chunked)
		begin_line(in, INCOMING_ENDS);
	else if (in->left == 0)
		in->part = INCOMING_ALL;
}

/* A whole line has come. */
static int end_line(struct incoming *in)
{
	switch (in->part) {
	case INCOMING_SIZE:
	case INCOMING_EXTRA:
		if (in->left > in->max - (in->end - in->begin))
			return -E2BIG;
		if (in->left > 0)
			in->part = INCOMING_BYTES;
		else
			begin_line(in, INCOMING_TRAILER);
		return 0;
	case INCOMING_ENDS:
		begin_line(in, INCOMING_SIZE);
		return 0;
	default:
		if (in->line == 2)
			in->part = INCOMING_ALL;
		else
			begin_line(in, INCOMING_TRAILER);
		return 0;
	}
}

static int take_size(struct incoming *in, char c)
{
	int digit = text_hex_value(c);

	if (digit < 0 && in->digits && (c == ';' || c == ' ' || c == '\t')) {
		in->part = INCOMING_EXTRA;
		return 0;
	}
	if (digit < 0 || in->line > SIZE_DIGITS_MAX)
		return -EBADMSG;
	in->digits = true;
	in->left = in->left << 4 | (unsigned)digit;
	return 0;
}

static int take_line_byte(struct incoming *in, char c)
{
	in->line++;
	if ((in->part == INCOMING_EXTRA || in->part == INCOMING_TRAILER) &&
	    ++in->extra > HTTP_CHUNK_EXTRA_MAX)
		return -EBADMSG;
	if (in->after_cr)
		return c == '\n' ? end_line(in) : -EBADMSG;
	if (c == '\r' && (in->part != INCOMING_SIZE || in->digits)) {
		in->after_cr = true;
		return 0;
	}
	if ((unsigned char)c < ' ' && c != '\t')
		return -EBADMSG;
	if (in->part == INCOMING_SIZE)
		return take_size(in, c);
	return in->part != INCOMING_ENDS && in->line < HTTP_CHUNK_LINE_MAX ? 0 : -EBADMSG;
}

int incoming_take(struct incoming *in, char *bytes, size_t len)
{
	int r = 0;

	assert(in->begin <= in->end && in->end <= in->at && in->at <= len);
	while (r == 0 && in->part != INCOMING_ALL && in->at < len) {
		if (in->part == INCOMING_BYTES)
			take_bytes(in, bytes, len);
		else
			r = take_line_byte(in, bytes[in->at++]);
	}
	if (r < 0)
		return r;
	return in->part == INCOMING_ALL;
}

size_t incoming_cut(struct incoming *in)
{
	assert(in->part != INCOMING_ALL);
	in->at = in->end;
	return in->end;
}
