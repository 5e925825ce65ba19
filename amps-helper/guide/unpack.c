#include "amps-helper/guide/unpack.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"

#define ROOM 65536u

static int fail(char *reason, size_t cap, const char *text)
{
	snprintf(reason, cap, "%s", text);
	return -EBADMSG;
}

static int give(struct unpack *u, const char *bytes, size_t n, char *reason, size_t cap)
{
	u->decoded += n;
	if (u->decoded > GUIDE_SOURCE_MAX)
		return fail(reason, cap, "the document is too large");
	if (u->decoded > GUIDE_RATIO_FREE && u->decoded / GUIDE_RATIO_MAX > u->came)
		return fail(reason, cap,
			    "the packed data grows too much when it is unpacked: it looks like an "
			    "attack");
	return n > 0 ? u->take(u->owner, bytes, n, reason, cap) : 0;
}

static int add_gzip(struct unpack *u, const char *bytes, size_t n, char *reason, size_t cap)
{
	char room[ROOM];
	int r = Z_OK;

	u->z.next_in = (Bytef *)(uintptr_t)bytes;
	u->z.avail_in = (uInt)n;
	do {
		/* what follows a member is another one, or padding, which ends it all */
		if (u->complete && u->z.avail_in > 0) {
			if (*u->z.next_in != 0x1f)
				return 0;
			u->complete = false;
			if (inflateReset(&u->z) != Z_OK)
				return -ENOMEM;
		}
		u->z.next_out = (Bytef *)room;
		u->z.avail_out = sizeof(room);
		r = inflate(&u->z, Z_NO_FLUSH);
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return fail(reason, cap, "the gzip data is damaged");
		u->complete = r == Z_STREAM_END;
		r = give(u, room, sizeof(room) - u->z.avail_out, reason, cap);
		if (r < 0)
			return r;
	} while (u->z.avail_in > 0 || u->z.avail_out == 0);
	return 0;
}

static int fail_xz(lzma_ret code, char *reason, size_t cap)
{
	return fail(reason, cap,
		    code == LZMA_MEMLIMIT_ERROR || code == LZMA_MEM_ERROR
			    ? "the xz data needs too much memory: pack it with xz -6 or less"
			    : "the xz data is damaged");
}

static int add_xz(struct unpack *u, const char *bytes, size_t n, lzma_action action, char *reason,
		  size_t cap)
{
	char room[ROOM];
	lzma_ret code;
	int r;

	u->x.next_in = (const uint8_t *)bytes;
	u->x.avail_in = n;
	do {
		u->x.next_out = (uint8_t *)room;
		u->x.avail_out = sizeof(room);
		code = lzma_code(&u->x, action);
		u->complete = code == LZMA_STREAM_END;
		if (code != LZMA_OK && code != LZMA_STREAM_END && code != LZMA_BUF_ERROR)
			return fail_xz(code, reason, cap);
		r = give(u, room, sizeof(room) - u->x.avail_out, reason, cap);
		if (r < 0)
			return r;
	} while (code == LZMA_OK && (u->x.avail_in > 0 || u->x.avail_out == 0));
	return 0;
}

static int add(struct unpack *u, const char *bytes, size_t n, char *reason, size_t cap)
{
	switch (u->kind) {
	case UNPACK_GZIP:
		return add_gzip(u, bytes, n, reason, cap);
	case UNPACK_XZ:
		return add_xz(u, bytes, n, LZMA_RUN, reason, cap);
	default:
		return give(u, bytes, n, reason, cap);
	}
}

/* Decides by the first bytes, and passes them on. */
static int begin(struct unpack *u, char *reason, size_t cap)
{
	assert(u->kind == UNPACK_UNKNOWN);
	u->kind = UNPACK_PLAIN;
	if (u->first_bytes >= 2 && memcmp(u->first, "\x1f\x8b", 2) == 0) {
		if (inflateInit2(&u->z, 15 + 16) != Z_OK)
			return -ENOMEM;
		u->kind = UNPACK_GZIP;
	} else if (u->first_bytes >= 6 && memcmp(u->first,
						 "\xfd"
						 "7zXZ",
						 6) == 0) {
		u->x = (lzma_stream)LZMA_STREAM_INIT;
		if (lzma_stream_decoder(&u->x, GUIDE_XZ_BYTES, LZMA_CONCATENATED) != LZMA_OK)
			return -ENOMEM;
		u->kind = UNPACK_XZ;
	}
	return add(u, (const char *)u->first, u->first_bytes, reason, cap);
}

int unpack_add(struct unpack *u, const char *bytes, size_t n, char *reason, size_t cap)
{
	size_t m = u->kind == UNPACK_UNKNOWN ? MIN(n, sizeof(u->first) - u->first_bytes) : 0;
	int r;

	assert(u->first_bytes <= sizeof(u->first) && m <= n);
	u->came += n;
	memcpy(u->first + u->first_bytes, bytes, m);
	u->first_bytes += m;
	if (u->kind == UNPACK_UNKNOWN) {
		if (u->first_bytes < sizeof(u->first))
			return 0;
		r = begin(u, reason, cap);
		if (r < 0)
			return r;
	}
	return n > m ? add(u, bytes + m, n - m, reason, cap) : 0;
}

int unpack_end(struct unpack *u, char *reason, size_t cap)
{
	int r = 0;

	if (u->kind == UNPACK_UNKNOWN)
		r = begin(u, reason, cap);
	if (r == 0 && u->kind == UNPACK_XZ)
		r = add_xz(u, "", 0, LZMA_FINISH, reason, cap);
	if (r == 0 && u->kind > UNPACK_PLAIN && !u->complete)
		r = fail(reason, cap, "the packed data ends early");
	return r;
}

void unpack_done(struct unpack *u)
{
	if (u->kind == UNPACK_GZIP)
		inflateEnd(&u->z);
	else if (u->kind == UNPACK_XZ)
		lzma_end(&u->x);
	u->kind = UNPACK_UNKNOWN;
}
