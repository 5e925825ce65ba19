/* catalog_build.h - channel definitions -> the bytes of a catalog snapshot
 * (common/shm/catalog_layout.h).
 *
 * Pure, any thread.  Strings go in as they are (views escape them for their form). */
#ifndef AMPS_CATALOG_BUILD_H
#define AMPS_CATALOG_BUILD_H

#include "amps-master/lineup/channel_rules.h"
#include "common/text/buf.h"

/* Entries in id order, all of them on air; `settings` as for lineup_build().  Fills the empty
 * `out`. 0, -ENOMEM, or -E2BIG (more than CHANNELS_MAX channels or CATALOG_BYTES_MAX bytes). */
must_check int catalog_build(const json_t *settings, const struct channel_entry *const *entries,
			     size_t count, uint64_t generation, struct buf *out);

#endif
