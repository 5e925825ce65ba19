/* db_channel.h - channels in the database (schema.sql says what the columns mean).
 *
 * Used by the database thread only; errors as in db.h. */
#ifndef AMPS_DB_CHANNEL_H
#define AMPS_DB_CHANNEL_H

#include <jansson.h>
#include "amps-master/store/db.h"

enum channel_origin { ORIGIN_FILE, ORIGIN_API, ORIGIN_SCHEDULE, ORIGIN_COUNT_ };

struct channel_row {
	uint32_t id;
	enum channel_origin origin;
	bool in_file;	    /* file_hash is known */
	bool deleted;	    /* a tombstone */
	uint64_t file_hash; /* hash of the file's entry when last loaded */
	char *definition;   /* JSON; the list's */
	json_t *tree;	    /* the same, parsed, where it is known; borrowed; else NULL */
};

/* All rows in id order. */
struct channel_rows {
	struct channel_row *rows;
	size_t count;
};
#define CHANNEL_ROWS_INIT ((struct channel_rows){0})

must_check int db_channel_list(struct db *db, struct channel_rows *ret);

/* Calls `each` with every row in id order, borrowed, until it returns -Exxx.  0 or -Exxx. */
must_check int db_channel_each(struct db *db, int (*each)(void *arg, const struct channel_row *row),
			       void *arg);
void channel_rows_done(struct channel_rows *rows);
struct channel_row *channel_rows_find(const struct channel_rows *rows, uint32_t id);

/* One row, its definition the caller's.  -ENOENT: there is none. */
must_check int db_channel_get(struct db *db, uint32_t id, struct channel_row *ret);

/* Does the row have a schedule?  `entry` is its parsed definition. */
bool channel_row_scheduled(const struct channel_row *row, const json_t *entry);

/* Writes a row; `entry` is the parsed definition, for the queried columns. */
must_check int db_channel_put(struct db *db, const struct channel_row *row, const json_t *entry);
must_check int db_channel_delete(struct db *db, uint32_t id);

#endif
