/* packer.h - how media are wrapped for a viewer whose protocol is not a plain HTTP answer: units of
 * a head and a payload, such as the frames of a WebSocket.
 *
 * The viewer sends heads and the ring's bytes in one call, without a copy; it owns the packer.  A
 * protocol embeds a struct packer as its first member. */
#ifndef AMPS_PACKER_H
#define AMPS_PACKER_H

#include "common/text/buf.h"

#define PACKER_HEAD_MAX 16u

/* Why a viewer ends, for the protocol's last words. */
enum viewer_end {
	VIEWER_END_SERVER,   /* the server shuts down, or the client left */
	VIEWER_END_SOURCE,   /* the source is over */
	VIEWER_END_FAILURE,  /* the channel failed or was removed */
	VIEWER_END_SLOW,     /* it was too slow, or there is no memory for it */
	VIEWER_END_KICKED,   /* an operator ended it */
	VIEWER_END_PROTOCOL, /* the protocol ended it, and has said so */
	VIEWER_END_COUNT_
};

struct packer;

struct packer_ops {
	size_t payload_max; /* bytes; a multiple of every ring's unit */
	/* Writes the head of the unit that follows `ahead` others which took() does not know of
	 * yet.  Its length. */
	size_t (*head)(const struct packer *p, size_t ahead, size_t payload,
		       uint8_t to[PACKER_HEAD_MAX]);
	/* That many units are on their way. */
	void (*took)(struct packer *p, size_t units);
	/* The client sent these bytes; appends what has to be answered.  0, or -EPIPE: it is over
	 * once `out` is sent. */
	int (*receive)(struct packer *p, const void *bytes, size_t n, struct buf *out);
	/* The last words; their length, 0 = none. */
	size_t (*end)(const struct packer *p, enum viewer_end why, uint8_t to[PACKER_HEAD_MAX]);
	void (*free)(struct packer *p);
};

struct packer {
	const struct packer_ops *ops;
};

#endif
