/* unpack.h - a document as it comes, plain or packed with gzip or xz, which its first bytes say.
 *
 * Bounded: in what it decodes to, in how many times that may be the size of what came, and in the
 * memory that xz may need. */
#ifndef AMPS_UNPACK_H
#define AMPS_UNPACK_H

#include <lzma.h>
#include <zlib.h>
#include "common/base.h"

struct unpack {
	/* Takes the decoded bytes; as struct web's. */
	int (*take)(void *owner, const char *bytes, size_t n, char *reason, size_t cap);
	void *owner;

	enum { UNPACK_UNKNOWN, UNPACK_PLAIN, UNPACK_GZIP, UNPACK_XZ } kind;
	bool complete; /* of a packed one: its end has come */
	uint64_t came, decoded;
	unsigned char first[6]; /* bytes, until the kind is known */
	size_t first_bytes;
	z_stream z;
	lzma_stream x;
};

/* Of a zeroed struct whose first members are set. */
must_check int unpack_add(struct unpack *u, const char *bytes, size_t n, char *reason, size_t cap);
/* The document has ended. */
must_check int unpack_end(struct unpack *u, char *reason, size_t cap);
void unpack_done(struct unpack *u);

#endif
