/* incoming.h - the body of a request as it arrives behind its head: by its length, or in chunks
 * (RFC 9112 sections 6 and 7.1).
 *
 * Pure: the caller receives into one buffer and calls incoming_take() after each receive; chunks
 * are decoded in place.  Bare CR or LF, a size that is none, a line of more than
 * HTTP_CHUNK_LINE_MAX bytes, more than HTTP_CHUNK_EXTRA_MAX of extensions and trailers are refused.
 */
#ifndef AMPS_INCOMING_H
#define AMPS_INCOMING_H

#include "amps-worker/http/parse.h"

enum incoming_part {
	INCOMING_BYTES,	  /* `left` bytes of the body, or of a chunk */
	INCOMING_SIZE,	  /* a chunk's size */
	INCOMING_EXTRA,	  /* the rest of that line */
	INCOMING_ENDS,	  /* the line end behind a chunk */
	INCOMING_TRAILER, /* lines up to an empty one */
	INCOMING_ALL,
	INCOMING_PART_COUNT_
};

struct incoming {
	enum incoming_part part;
	bool chunked;
	bool after_cr;	   /* the last byte of a line was CR */
	bool digits;	   /* a chunk's size has one */
	uint32_t max;	   /* bytes that the body may have */
	uint32_t reserved; /* bytes that it is counted with until it is complete */
	size_t line;	   /* bytes of this line so far */
	size_t extra;	   /* bytes of extensions and trailers so far */
	uint64_t left;
	size_t begin; /* in the buffer: of the body */
	size_t end;   /* of what is decoded */
	size_t at;    /* of what is read: the next request begins there at last */
};

/* Of a request with a body: its Content-Length is not over `max`. */
struct incoming incoming_of(const struct http_request *q, uint32_t max);

/* Reads what the buffer has: 1 all of the body is there, 0 more must come, -EBADMSG, -E2BIG (over
 * the maximum). */
must_check int incoming_take(struct incoming *in, char *bytes, size_t len);

/* More must come: forgets what was between the chunks.  The bytes of the buffer to keep. */
size_t incoming_cut(struct incoming *in);

#endif
