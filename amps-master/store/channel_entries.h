/* channel_entries.h - the database's rows as parsed channels, and which of them are on air. */
#ifndef AMPS_CHANNEL_ENTRIES_H
#define AMPS_CHANNEL_ENTRIES_H

#include "amps-master/lineup/channel_rules.h"
#include "amps-master/store/db_channel.h"

/* Owns its entries and their trees.  Tombstones are not in it. */
struct channel_entries {
	struct channel_entry *all; /* in id order */
	size_t count;
	const struct channel_entry **on_air; /* into `all`, in id order */
	size_t on_air_count;
	int64_t next_change_wall_us; /* of the on-air list, or TIME_NONE */
};
#define CHANNEL_ENTRIES_INIT ((struct channel_entries){.next_change_wall_us = TIME_NONE})

/* Parses the rows whose trees are not known and picks those on air at wall_us.  A scheduled row
 * with an unreadable window is never on air.  0, -ENOMEM, -EBADMSG (a row that is no JSON object).
 */
must_check int channel_entries_read(const struct channel_rows *rows, int64_t wall_us,
				    struct channel_entries *ret);
void channel_entries_done(struct channel_entries *e);

#endif
