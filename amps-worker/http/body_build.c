#include "amps-worker/http/body_build.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/hash.h"

/* Level 1 takes a quarter of the time of level 6 and still shrinks a playlist to a tenth. */
#define GZIP_SMALL_BYTES  (64u << 10)
#define GZIP_SMALL_LEVEL  6
#define GZIP_LARGE_LEVEL  1
#define GZIP_WORTH_BYTES  512	    /* smaller bodies fit a packet anyway */
#define GZIP_WINDOW_BITS  (15 + 16) /* + 16: a gzip wrapper */
#define GZIP_MEMORY_LEVEL 8
#define GZIP_ROOM	  16384u
#define STORED_BLOCK_END  5u	 /* bytes in front of those of a stored block of deflate */
#define STEP_BYTES	  32768u /* of the plain form; a multiple of the hash's word */

/* Eight bytes at a time, many times faster than hash_bytes(); all pieces but the last are whole
 * words.  The hash names bodies and is not stored. */
static uint64_t hash_piece(uint64_t h, const char *at, size_t len)
{
	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	for (; len; at++, len--)
		h = (h ^ (unsigned char)*at) * 0x100000001b3ull;
	return h;
}

static void stop_packing(struct body_build *b)
{
	if (b->packing)
		deflateEnd(&b->z);
	b->packing = false;
	buf_done(&b->packed);
}

/* Takes the bytes out of b, without the unused room behind them. */
static char *fitted(struct buf *b)
{
	char *data = realloc(b->data, b->len + 1);

	if (!data)
		data = b->data;
	*b = BUF_INIT;
	return data;
}

int body_build_begin(struct body_build *b, struct buf *plain, const char *type,
		     struct body_follow *follow)
{
	size_t n = plain->len;

	*b = (struct body_build){.body = calloc(1, sizeof(*b->body))};
	if (!b->body || (follow && (follow->plain.failed || follow->packed.failed))) {
		free(TAKE_PTR(b->body));
		body_follow_free(follow);
		return -ENOMEM;
	}
	b->body->refs = 1;
	b->body->type = type;
	b->body->plain_len = n;
	b->body->plain = plain->data ? fitted(plain) : NULL;
	b->hash = HASH_START ^ n;
	b->body->follow = follow;
	if (follow)
		b->hash ^= follow->hash;
	b->packing =
		(n >= GZIP_WORTH_BYTES || follow) &&
		deflateInit2(&b->z, n <= GZIP_SMALL_BYTES ? GZIP_SMALL_LEVEL : GZIP_LARGE_LEVEL,
			     Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
			     Z_DEFAULT_STRATEGY) == Z_OK;
	return 0;
}

/* Compresses one piece; the compressor keeps some of the output until the last one. */
static void pack(struct body_build *b, const char *at, size_t n, bool last)
{
	int r = Z_OK;

	assert(b->packing && b->packed.len < b->body->plain_len);
	b->z.next_in = (Bytef *)(uintptr_t)at;
	b->z.avail_in = (uInt)n;
	do {
		char *room = buf_reserve(&b->packed, GZIP_ROOM);

		if (!room) {
			stop_packing(b);
			return;
		}
		b->z.next_out = (Bytef *)room;
		b->z.avail_out = GZIP_ROOM;
		r = deflate(&b->z, !last ? Z_NO_FLUSH : b->body->follow ? Z_SYNC_FLUSH : Z_FINISH);
		b->packed.len += GZIP_ROOM - b->z.avail_out;
	} while (r == Z_OK && b->z.avail_out == 0);
	if (b->packed.len >= b->body->plain_len && !b->body->follow)
		stop_packing(b); /* compression does not pay */
}

bool body_build_step(struct body_build *b)
{
	struct body *body = b->body;
	const char *at = body->plain + b->at;
	size_t n = MIN(body->plain_len - b->at, STEP_BYTES);
	bool last = b->at + n == body->plain_len;

	assert(b->at <= body->plain_len && (last || n == STEP_BYTES));
	b->hash = hash_piece(b->hash, at, n);
	if (b->packing)
		pack(b, at, n, last);
	b->at += n;
	return last;
}

static void put_le32(char *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (char)(value >> 8 * i);
}

/* Ends both forms: the packed one with the last block of deflate and the trailer of gzip (RFC
 * 1952). The compressor has the checksum of the text. */
static void add_ends(struct body_build *b, struct body *body)
{
	struct body_follow *f = body->follow;
	size_t n = strlen(f->end);
	char *at = f->packed_end;
	uLong crc = crc32_combine(b->z.adler, f->crc, (z_off_t)f->plain.bytes);

	assert(n <= BODY_END_MAX);
	body_tail_add(&f->plain, f->end, n);
	if (!b->packing)
		return;
	crc = crc32(crc, (const Bytef *)f->end, (uInt)n);
	*at++ = 1; /* the last block, stored */
	put_le32(at, (uint32_t)(n | (~n & 0xffff) << 16));
	at = mempcpy(at + 4, f->end, n);
	put_le32(at, (uint32_t)crc);
	put_le32(at + 4, (uint32_t)(body->plain_len + f->plain.bytes));
	body_tail_add(&f->packed, f->packed_end, STORED_BLOCK_END + n + 8);
}

struct body *body_build_end(struct body_build *b)
{
	struct body *body = TAKE_PTR(b->body);

	assert(b->at == body->plain_len);
	if (body->follow)
		add_ends(b, body);
	snprintf(body->etag, sizeof(body->etag), "\"%016llx-%llx\"",
		 (unsigned long long)hash_end(b->hash),
		 (unsigned long long)(body->plain_len +
				      (body->follow ? body->follow->plain.bytes : 0)));
	if (b->packing) {
		body->gzip_len = b->packed.len;
		body->gzip = fitted(&b->packed);
	}
	stop_packing(b);
	return body;
}

void body_build_cancel(struct body_build *b)
{
	stop_packing(b);
	b->body = body_unref(b->body);
}
