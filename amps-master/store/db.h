/* db.h - the database file: opening it, transactions, facts of the whole server.
 *
 * Used by the database thread only (store.c).  WAL with synchronous=FULL: what a commit returned
 * for survives a power cut.  Prepared statements only.  A damaged database, or one of a newer Amps,
 * is refused and never overwritten.  Errors are -Exxx: -EBUSY (locked by another for two seconds),
 * -EROFS, -ENOSPC, -EBADMSG (damaged), -EPROTO (of a newer Amps), -ENOMEM, -EIO (all else);
 * db_error() has SQLite's words. */
#ifndef AMPS_DB_H
#define AMPS_DB_H

#include <sqlite3.h>
#include <stdatomic.h>
#include "common/base.h"

struct db;

/* Opens <state_dir>/amps.db; makes the folder (0700), the file (0600) and the tables where they are
 * missing.  On failure `text` says why in one sentence. */
must_check int db_open(const char *state_dir, struct db **ret, char *text, size_t text_cap);
struct db *db_close(struct db *db); /* returns NULL; accepts NULL */

/* Is the database missing or empty, although the folder shows that a server has used it?  Asked
 * before db_open(), which makes an empty one. */
bool db_lost(const char *state_dir);

/* One transaction at a time.  After a failure inside, db_rollback(). */
must_check int db_begin(struct db *db);
must_check int db_commit(struct db *db);
void db_rollback(struct db *db); /* nothing where none is open */
/* Is a transaction open?  SQLite ends it by itself after some errors, also of a statement that only
 * reads; what is written then would be stored at once. */
must_check bool db_in_transaction(const struct db *db);

/* Can a transaction begin, and is the file still where it was opened?  Writes nothing.  0, -ENOENT
 * (moved or deleted) or another -Exxx. */
must_check int db_writable(struct db *db);

/* Copies the whole database of this folder, as it stands, into a file; the folder gets a file of
 * that size for a while.  For another thread than the one that writes, one at a time: it reads
 * through a connection of its own, which changes need not wait for.  0 or -Exxx; -ECANCELED: `stop`
 * was set while the file was written. */
must_check int db_backup(const char *state_dir, int fd, const atomic_bool *stop);

/* Judges the file without changing it.  0, or -Exxx as db_open() would fail, and the words;
 * -ENOENT: there is none. */
must_check int db_judge(const char *state_dir, char *text, size_t text_cap);

/* Gives back what is kept in memory of the file. */
void db_shrink(struct db *db);

/* Facts of the whole server (table meta).  -ENOENT: no such key.  The text is the caller's. */
must_check int db_meta_get(struct db *db, const char *key, char **ret_value);
/* Writes only what differs; *ret_changed (may be NULL) says whether it did. */
must_check int db_meta_put(struct db *db, const char *key, const char *value, bool *ret_changed);
must_check int db_meta_get_u64(struct db *db, const char *key, uint64_t *ret);
must_check int db_meta_put_u64(struct db *db, const char *key, uint64_t value);

/* Reads one fact without becoming a user of the database: for a helper process beside the master.
 * The text is the caller's.  0, -ENOENT (no database, no such key) or another -Exxx. */
must_check int db_peek_meta(const char *state_dir, const char *key, char **ret_value);

/* What went wrong last, in SQLite's words.  Borrowed until the next call. */
const char *db_error(const struct db *db);

/* For db_*.c: a statement kept prepared, reset and without bindings; and SQLite's result as -Exxx
 * (SQLITE_OK, _ROW and _DONE are 0). */
enum db_statement {
	DB_META_GET,
	DB_META_PUT,
	DB_CHANNEL_LIST,
	DB_CHANNEL_GET,
	DB_CHANNEL_PUT,
	DB_CHANNEL_DELETE,
	DB_TOKEN_LIST,
	DB_TOKEN_ADD,
	DB_TOKEN_DELETE,
	DB_STATEMENT_COUNT_,
};
sqlite3_stmt *db_statement(struct db *db, enum db_statement which);
int db_result(int sqlite_result);

#endif
