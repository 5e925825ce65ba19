/* units.h - media in the units of a packer's protocol, ready to be sent: a head, its payload, the
 * next head.
 *
 * Viewers in step are sent the same media, so these are copied out of the ring once for all of
 * them, and only the heads are written for each: the kernel takes longer for a vector of heads and
 * pieces of the ring than for the bytes themselves (docs/performance.md).  A worker has one; what
 * it holds is that of its last call. */
#ifndef AMPS_UNITS_H
#define AMPS_UNITS_H

#include "amps-worker/live/packer.h"

#define UNITS_BYTES (256u << 10)

/* Where media are from.  Those with the same place are the same bytes. */
struct units_place {
	uint64_t ring; /* its number in this worker (struct stream_ring); 0: media of one viewer */
	uint64_t pos;
};

struct units {
	struct units_place place;
	const struct packer_ops *ops; /* NULL: nothing is held */
	size_t media;		      /* bytes of all payloads */
	size_t count;
	uint32_t at[PACKED_UNITS + 1]; /* where each begins, and where the last one ends */
	uint8_t head_len[PACKED_UNITS];
	uint8_t bytes[UNITS_BYTES];
};

/* Packs media for this packer, as much of n bytes as there is room for. */
void units_pack(struct units *u, struct packer *p, struct units_place place, const uint8_t *media,
		size_t n);

/* Bytes of all units. */
static inline size_t units_bytes(const struct units *u)
{
	return u->at[u->count];
}

/* The media of the first `count` units. */
size_t units_media(const struct units *u, size_t count);

/* So many bytes were sent: how many units have begun.  The last one of them may have a rest. */
size_t units_begun(const struct units *u, size_t sent);

#endif
