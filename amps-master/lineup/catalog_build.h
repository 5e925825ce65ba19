/* catalog_build.h - channels -> the bytes of a catalog snapshot (common/shm/catalog_layout.h).
 *
 * Pure, any thread.  Strings go in as they are (views escape them for their form). */
#ifndef AMPS_CATALOG_BUILD_H
#define AMPS_CATALOG_BUILD_H

#include "amps-master/lineup/lineup_channel.h"
#include "common/text/buf.h"

/* All that the catalog has of one channel: its struct catalog_channel, then what that points to,
 * with offsets from the fragment's start.  Fills the empty `out`.  0 or -ENOMEM. */
must_check int catalog_fragment(const json_t *settings, const struct channel_entry *e,
				const struct schedule_window *window,
				const struct channel_views *views, struct buf *out);

/* The front of a channel's fragment. */
static inline const struct catalog_channel *catalog_fragment_head(const struct lineup_channel *c)
{
	return (const struct catalog_channel *)(const void *)c->fragment;
}

/* Joins the fragments of channels that are on air; `settings` as for lineup_build().  Fills the
 * empty `out`.  0, -ENOMEM, or -E2BIG (more than CHANNELS_MAX channels or CATALOG_BYTES_MAX bytes).
 */
must_check int catalog_build(const json_t *settings, const struct channel_list *channels,
			     uint64_t generation, struct buf *out);

#endif
