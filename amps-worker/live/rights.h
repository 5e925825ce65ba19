/* rights.h - viewers keep what let them in: a token that still allows the channel, the region, a
 * signed link that has not expired.
 *
 * The records of all viewers are looked at when tokens, the catalog or the countries of addresses
 * have changed and when a token or a link expires, not otherwise.  One whose rights are gone is
 * ended as `amps kick` does it. */
#ifndef AMPS_RIGHTS_H
#define AMPS_RIGHTS_H

#include "amps-worker/live/records.h"

struct rights {
	uint64_t tokens, catalog, geoip; /* generations that were looked at last */
	int64_t next_wall_us;		 /* the next token or link expires */
};

/* Several times a second. */
void rights_tick(struct rights *rights, struct records *records, int64_t wall_us);

#endif
