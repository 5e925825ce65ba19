/* packer.h - how media are wrapped for a viewer whose protocol is not a plain HTTP answer: units of
 * a head and a payload, such as the frames of a WebSocket or the packets of RTP.
 *
 * The viewer sends heads and the ring's bytes in one call, without a copy; it owns the packer.  A
 * protocol embeds a struct packer as its first member.  Each unit is a datagram where the packer
 * has datagrams; the viewer then has no connection of its own. */
#ifndef AMPS_PACKER_H
#define AMPS_PACKER_H

#include "amps-worker/live/datagrams.h"
#include "common/text/buf.h"

#define PACKER_HEAD_MAX	 16u
#define PACKER_WORDS_MAX 64u /* bytes of the last words */

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
	bool mutual;	    /* the viewer ends when the client shuts its side */
	/* Writes the head of the unit that follows `ahead` others, fewer than PACKED_UNITS, whose
	 * heads were written one after the other and which took() does not know of yet.  `payload`
	 * may change meanwhile: the ring's writer is not stopped.  The head's length. */
	size_t (*head)(struct packer *p, size_t ahead, const uint8_t *payload, size_t n,
		       uint8_t to[PACKER_HEAD_MAX]);
	/* The first units are on their way, with so many bytes of media. */
	void (*took)(struct packer *p, size_t units, size_t bytes);
	/* The first unit follows.  May be NULL. */
	void (*begun)(struct packer *p);
	/* No unit will follow: says so.  False, as NULL: only HTTP can say it. */
	bool (*refuse)(struct packer *p, int status, const char *text);
	/* The client sent these bytes; appends what has to be answered.  0, or -EPIPE: it is over
	 * once `out` is sent, or -EPROTO: so it is, because they break the protocol. */
	int (*receive)(struct packer *p, const void *bytes, size_t n, struct buf *out);
	/* The last words; their length, 0 = none. */
	size_t (*end)(const struct packer *p, enum viewer_end why, uint8_t to[PACKER_WORDS_MAX]);
	void (*free)(struct packer *p);
};

#define PACKED_UNITS 192u /* sent in one call */

struct viewer;

struct packer {
	const struct packer_ops *ops;
	struct datagrams *datagrams; /* NULL: units go over the viewer's connection; borrowed */
	struct viewer *viewer;	     /* NULL before it has one */
};

#endif
