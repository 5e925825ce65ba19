/* store_merge.h - a newly loaded file against what the database holds.
 *
 * For each channel the file's entry is compared by its hash with the one of the last load: an
 * entry that changed in the file (or was removed) wins over what the API did to it; for the others
 * the API's changes stay.  Called inside a transaction of the database thread. */
#ifndef AMPS_STORE_MERGE_H
#define AMPS_STORE_MERGE_H

#include "amps-master/store/db_channel.h"
#include "amps-master/util/discard.h"

/* Writes the rows that differ and the model's other parts (meta `settings`, `highest_id`), and
 * drops the changes of the API that are to be discarded.  Each API change that lost gets a line in
 * `notices` (an array).  *ret_changed: was anything written? 0 or -Exxx as in db.h; -EINVAL for an
 * entry without a usable id. */
must_check int store_merge(struct db *db, const json_t *model, const struct discard *discard,
			   json_t *notices, bool *ret_changed);

/* Keeps the highest id that was ever used: such an id is not given to another channel.
 * *ret_changed (may be NULL) is set to true where it rises.  0 or -Exxx. */
must_check int store_raise_highest_id(struct db *db, uint32_t id, bool *ret_changed);

/* After a merge: rows that are as the file has them borrow their trees from the model, so that they
 * are not parsed again. */
void store_merge_trees(const json_t *model, struct channel_rows *rows);

#endif
