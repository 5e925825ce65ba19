#include "common/shm/geoip.h"

#include <stdlib.h>

#include "common/limits.h"
#include "common/text/address.h"
#include "common/text/text.h"

struct geoip {
	struct snapshot snapshot; /* first: it is a snapshot */
	const uint64_t *from;
	const char (*region)[2];
	uint64_t count;
};

struct geoip *geoip_of(struct snapshot *s)
{
	assert(!s || s->type == &geoip_type);
	return (struct geoip *)(void *)s;
}

static int geoip_open(const struct snapshot_header *header, struct snapshot **ret)
{
	const struct geoip_header *h = (const void *)header;
	struct geoip *g;

	if (h->count > GEOIP_RANGES_MAX ||
	    header->total_bytes != sizeof(*h) + h->count * GEOIP_RANGE_BYTES)
		return -EINVAL;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->count = h->count;
	g->from = (const void *)(h + 1);
	g->region = (const void *)(g->from + h->count);
	*ret = &g->snapshot;
	return 0;
}

static void geoip_free(struct snapshot *s)
{
	free(geoip_of(s));
}

const struct snapshot_type geoip_type = {.magic = GEOIP_MAGIC,
					 .version = GEOIP_VERSION,
					 .header_bytes = sizeof(struct geoip_header),
					 .bytes_max = sizeof(struct geoip_header) +
						      GEOIP_RANGES_MAX * GEOIP_RANGE_BYTES,
					 .open = geoip_open,
					 .free = geoip_free};

uint64_t geoip_generation(const struct geoip *g)
{
	return g ? g->snapshot.header->generation : 0;
}

bool geoip_find(const struct geoip *g, const struct in6_addr *address, char out[3])
{
	uint64_t place = address_client(address), low = 0, high = g ? g->count : 0;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (g->from[middle] <= place)
			low = middle + 1;
		else
			high = middle;
	}
	assert(low == 0 || low <= g->count);
	return low > 0 && text_region(g->region[low - 1], 2, out);
}
