/* align.h - finds packets in bytes: 188 bytes apart, or 192 (M2TS, 4 bytes before each) or 204
 * (16 bytes of Reed-Solomon code behind), with garbage anywhere.  Pure. */
#ifndef AMPS_TS_ALIGN_H
#define AMPS_TS_ALIGN_H

#include "common/base.h"

struct ts_align {
	unsigned spacing; /* 0 = not in sync */
	unsigned skip;	  /* bytes to skip behind the last packet that have not come yet */
	uint64_t losses;  /* times sync was lost after it had been found */
	uint64_t dropped; /* bytes that belonged to no packet */
};

/* Compacts buf[0..len) in place: whole 188-byte packets first, then *ret_rest bytes that are not
 * decided yet and must be given again in front of what follows.  Returns the bytes of packets, a
 * multiple of 188.  Does not touch a byte of a clean stream. */
size_t ts_align(struct ts_align *a, uint8_t *buf, size_t len, size_t *ret_rest);

/* The next bytes are from another place of the stream. */
void ts_align_restart(struct ts_align *a);

/* True if this looks like a transport stream.  Needs about 600 bytes to be certain. */
bool ts_align_probe(const uint8_t *bytes, size_t len);

#endif
