/* geoip.h - the countries of addresses: a snapshot (snapshot.h) made of the file that
 * `region.geoip` names.
 *
 *	offset 0    struct geoip_header
 *	40          uint64_t from[count]: where each range begins, ascending; the first at 0
 *	...         char region[count][2]: its country, NULs for one that is not known
 *
 * A place in the order of ranges is what address_client() makes of an address: IPv4 addresses are
 * among the networks of IPv6.  W: amps-helper, sealed by the master.  Readers: workers, which trust
 * nothing but the size: whatever is wrong inside only gives a wrong country, or none.
 *
 * Nothing here blocks or logs. */
#ifndef AMPS_GEOIP_H
#define AMPS_GEOIP_H

#include <netinet/in.h>
#include "common/shm/snapshot.h"

#define GEOIP_MAGIC   0x5049454f47534d41ull /* "AMSGOEIP" */
#define GEOIP_VERSION 1u

struct geoip_header {
	struct snapshot_header snapshot;
	uint64_t count; /* 0: no country is known */
};
static_assert(sizeof(struct geoip_header) == 40, "layout of struct geoip_header");

#define GEOIP_RANGE_BYTES (sizeof(uint64_t) + 2)

struct geoip;

extern const struct snapshot_type geoip_type;

/* A table of countries is a snapshot of this type; NULL for NULL. */
struct geoip *geoip_of(struct snapshot *s);

uint64_t geoip_generation(const struct geoip *g); /* 0 for NULL */

/* The country of an address, two upper-case letters.  False: it is not known, or `g` is NULL;
 * `out` is unchanged then. */
bool geoip_find(const struct geoip *g, const struct in6_addr *address, char out[3]);

#endif
