/* source_ops.h - the ways to reach a source: a row a way.
 *
 * A row reads bytes, or says what else the source gives.  The rest (what the first bytes are,
 * options, libav's demuxer on top of the connection, why it ended) is the same for all, source.h.
 */
#ifndef AMPS_SOURCE_OPS_H
#define AMPS_SOURCE_OPS_H

#include "amps-transcoder/source/source.h"

enum source_gives {
	SOURCE_BYTES,	/* a transport stream, or what libav's demuxer reads */
	SOURCE_PACKETS, /* of a demuxer that makes its own connections */
	SOURCE_FRAMES,	/* of a generator (lavfi.h) */
};

struct source_ops {
	enum source_gives gives;
	bool local;	/* nothing on the way can stall or break off */
	bool datagrams; /* a transport stream in whole packets, gathered where they are read */
	bool protocol;	/* took protocol options when it was opened; s->left are the others */
	/* Opens the connection and sets `live`, `size`, `is_ts`.  0 or -Exxx. */
	int (*open)(struct source *s);
	/* The number of bytes, 0 (the end), AVERROR(EAGAIN) (nothing for a moment), or another
	 * libav error. */
	int (*read)(struct source *s, uint8_t *dst, size_t cap);
	/* Back to the first byte.  0 or -Exxx. */
	int (*rewind)(struct source *s);
	/* The open connection for libav's demuxer, at its first byte; NULL: libav opens it anew. */
	AVIOContext *(*avio)(struct source *s);
	void (*close)(struct source *s); /* also when it was not opened */
};

const struct source_ops *source_ops_of(const struct source *s);

/* For the rows, in source.c: reads the first bytes and judges them; the reason why a call of libav
 * ended, as -Exxx; the operator's options and the mandatory ones; our reader as an AVIOContext. */
must_check int source_fill_head(struct source *s);
int source_why_ended(const struct source *s, int averror);
AVDictionary *source_libav_options(const struct source *s);
AVIOInterruptCB source_interrupt(struct source *s);
AVIOContext *source_own_avio(struct source *s);

#endif
