/* guide_now.h - what is on and what is next, for `amps list --now`. */
#ifndef AMPS_GUIDE_NOW_H
#define AMPS_GUIDE_NOW_H

#include <jansson.h>
#include "common/shm/catalog.h"
#include "common/shm/guide.h"

/* [{"id", "name", "now", "until", "next", "start"}] of the channels on air; null where it is not
 * known.  `g` may be NULL.  A new reference, or NULL without memory. */
json_t *guide_now_report(const struct catalog *c, const struct guide *g, int64_t wall_us);

#endif
