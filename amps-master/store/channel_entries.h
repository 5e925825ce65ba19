/* channel_entries.h - the database's rows as resolved channels, and which of them are on air. */
#ifndef AMPS_CHANNEL_ENTRIES_H
#define AMPS_CHANNEL_ENTRIES_H

#include "amps-master/lineup/lineup.h"
#include "amps-master/store/db_channel.h"

/* Resolves the rows but the tombstones.  A row whose definition and origin are those of a channel
 * in `known` shares that channel; all of `known` was made with these settings.  0, -ENOMEM,
 * -EBADMSG (a row that is no JSON object). */
must_check int channel_entries_read(const struct channel_rows *rows, const json_t *settings,
				    const struct channel_list *known, struct channel_list *ret);

/* `known` with these rows, in id order, added or replaced; a tombstone removes the channel.  Errors
 * as above. */
must_check int channel_entries_change(const struct channel_list *known, const json_t *settings,
				      const struct channel_rows *rows, struct channel_list *ret);

/* Those on air at wall_us, and when that changes next (or TIME_NONE).  A channel with an unreadable
 * window is never on air.  0 or -ENOMEM. */
must_check int channel_entries_on_air(const struct channel_list *all, int64_t wall_us,
				      struct channel_list *ret, int64_t *ret_next_change_wall_us);

#endif
