#include "amps-worker/live/units.h"

#include <assert.h>
#include <string.h>

static size_t payload_bytes(const struct units *u, size_t i)
{
	return MIN(u->media - i * u->ops->payload_max, u->ops->payload_max);
}

/* How much of n bytes one call packs. */
static size_t room_for(const struct packer_ops *ops, size_t n)
{
	size_t units = MIN(UNITS_BYTES / (PACKER_HEAD_MAX + ops->payload_max), PACKED_UNITS);

	assert(units > 0);
	return MIN(n, units * ops->payload_max);
}

static bool holds(const struct units *u, const struct packer_ops *ops, struct units_place place,
		  size_t media)
{
	return place.ring && u->ops == ops && u->place.ring == place.ring &&
	       u->place.pos == place.pos && u->media == media;
}

/* The length of a head follows from its payload's, so those of all viewers fit in the same places.
 */
static void write_heads(struct units *u, struct packer *p)
{
	for (size_t i = 0; i < u->count; i++) {
		uint8_t *at = u->bytes + u->at[i], head[PACKER_HEAD_MAX];
		size_t n = u->ops->head(p, i, at + u->head_len[i], payload_bytes(u, i), head);

		assert(n == u->head_len[i]);
		memcpy(at, head, n);
	}
}

static void lay_out(struct units *u, struct packer *p, const uint8_t *media)
{
	uint8_t *to = u->bytes;

	for (size_t i = 0; i < u->count; i++) {
		size_t payload = payload_bytes(u, i), n = u->ops->head(p, i, media, payload, to);

		assert(n <= PACKER_HEAD_MAX && to + n + payload <= u->bytes + UNITS_BYTES);
		u->at[i] = (uint32_t)(to - u->bytes);
		u->head_len[i] = (uint8_t)n;
		memcpy(to + n, media, payload);
		to += n + payload;
		media += payload;
	}
	u->at[u->count] = (uint32_t)(to - u->bytes);
}

void units_pack(struct units *u, struct packer *p, struct units_place place, const uint8_t *media,
		size_t n)
{
	n = room_for(p->ops, n);
	if (holds(u, p->ops, place, n)) {
		write_heads(u, p);
		return;
	}
	u->place = place;
	u->ops = p->ops;
	u->media = n;
	u->count = (n + p->ops->payload_max - 1) / p->ops->payload_max;
	lay_out(u, p, media);
}

size_t units_media(const struct units *u, size_t count)
{
	assert(count <= u->count);
	return u->ops ? MIN(count * u->ops->payload_max, u->media) : 0;
}

size_t units_begun(const struct units *u, size_t sent)
{
	size_t i = 0;

	assert(sent <= units_bytes(u));
	while (i < u->count && u->at[i] < sent)
		i++;
	return i;
}
