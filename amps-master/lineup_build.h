/* lineup_build.h - making a line-up from channel definitions.  Pure, any thread.
 *
 * Inside of lineup.h's `struct lineup`, for lineup.c and this builder alone. */
#ifndef AMPS_LINEUP_BUILD_H
#define AMPS_LINEUP_BUILD_H

#include "amps-master/channel_rules.h"
#include "amps-master/lineup.h"
#include "amps-master/pool.h"
#include "common/buf.h"

/* Owns every string and array below it; those of the tuners are in its pool. */
struct lineup {
	uint64_t generation;
	struct lineup_settings settings;
	struct pool pool;
	struct buf channels; /* JSON text of lineup_channels() */
	size_t channel_count;
	json_t *schedule;
	struct lineup_tuner *tuners; /* by channel, the channel's own tuner first */
	size_t tuner_count, tuner_cap;
};

/* Resolves the entries (in id order, all of them on air) against `settings` (the model without its
 * channels, profiles completed).  0 or -ENOMEM. */
must_check int lineup_build(const json_t *settings, const struct channel_entry *const *entries,
			    size_t count, uint64_t generation, struct lineup **ret);

/* Adds those of the entries that are scheduled, on air or not, to lineup_schedule().  0 or -ENOMEM.
 */
must_check int lineup_add_schedule(struct lineup *l, const struct channel_entry *entries,
				   size_t count, int64_t wall_us);

/* A hash of everything the tuners of a channel are made from. */
uint64_t lineup_channel_hash(const struct lineup *l, uint32_t channel);

#endif
