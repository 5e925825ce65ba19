#include "amps-master/store/db.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "amps-master/system/runtime_dir.h"
#include "common/text/text.h"
#include "schema_sql.h"

#define SCHEMA_VERSION	2
#define BUSY_TIMEOUT_MS 2000

struct db {
	sqlite3 *handle;
	sqlite3_stmt *statements[DB_STATEMENT_COUNT_];
};

static const char *const statement_texts[DB_STATEMENT_COUNT_] = {
	[DB_META_GET] = "SELECT value FROM meta WHERE key = ?1",
	[DB_META_PUT] = "INSERT INTO meta (key, value) VALUES (?1, ?2)"
			" ON CONFLICT (key) DO UPDATE SET value = excluded.value",
	[DB_CHANNEL_LIST] = "SELECT id, origin, file_hash, deleted, definition FROM channel"
			    " ORDER BY id",
	[DB_CHANNEL_GET] = "SELECT id, origin, file_hash, deleted, definition FROM channel"
			   " WHERE id = ?1",
	[DB_CHANNEL_PUT] = "INSERT OR REPLACE INTO channel"
			   " (id, origin, file_hash, deleted, name, group_name, number, definition)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[DB_CHANNEL_DELETE] = "DELETE FROM channel WHERE id = ?1",
	[DB_TOKEN_LIST] = "SELECT definition FROM token ORDER BY name",
	[DB_TOKEN_ADD] = "INSERT INTO token (name, definition) VALUES (?1, ?2)",
	[DB_TOKEN_DELETE] = "DELETE FROM token WHERE name = ?1 RETURNING name",
};

int db_result(int sqlite_result)
{
	switch (sqlite_result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

const char *db_error(const struct db *db)
{
	return sqlite3_errmsg(db->handle);
}

static int db_run(struct db *db, const char *sql)
{
	return db_result(sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

/* The first column of the first row of a fixed statement; NULL result for no row. */
static int db_scalar(struct db *db, const char *sql, char *dst, size_t cap)
{
	sqlite3_stmt *statement = NULL;
	int r = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	dst[0] = '\0';
	if (r == SQLITE_ROW && sqlite3_column_text(statement, 0) != NULL)
		text_copy(dst, cap, (const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return db_result(r);
}

/* SQLite gives its -wal and -shm files the mode of the database, so that one is made first. */
static int make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : 0;

	close_fd(&fd);
	return r;
}

/* Of this connection only; nothing is written. */
static int db_configure(struct db *db)
{
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return db_run(db, "PRAGMA trusted_schema = OFF; PRAGMA synchronous = FULL;"
			  " PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON");
}

/* The layout the file has -> SCHEMA_VERSION.  A later version adds its step here. */
static int db_migrate(struct db *db, long version)
{
	/* 1 -> 2 */
	static const char tokens_step[] = "CREATE TABLE token (name TEXT PRIMARY KEY NOT NULL,"
					  " definition TEXT NOT NULL) STRICT, WITHOUT ROWID;"
					  " PRAGMA user_version = 2";
	int r;

	if (version == SCHEMA_VERSION)
		return 0;
	assert(version < SCHEMA_VERSION);
	r = db_begin(db);
	if (r == 0)
		r = db_run(db, version == 0 ? SCHEMA_SQL : tokens_step);
	if (r == 0)
		r = db_commit(db);
	if (r < 0)
		db_rollback(db);
	return r;
}

static int db_prepare(struct db *db)
{
	int r = SQLITE_OK;

	for (size_t i = 0; i < DB_STATEMENT_COUNT_ && r == SQLITE_OK; i++)
		r = sqlite3_prepare_v3(db->handle, statement_texts[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL);
	return db_result(r);
}

/* Is the file whole, and not of a newer Amps?  Asked before the first byte is written into it.
 * `words` gets SQLite's finding. */
static int db_examine(struct db *db, char *words, size_t cap, long *ret_version)
{
	char version[32];
	int r = db_scalar(db, "PRAGMA quick_check(1)", words, cap);

	if (r == 0 && strcmp(words, "ok") != 0)
		return -EBADMSG;
	if (r == 0)
		r = db_scalar(db, "PRAGMA user_version", version, sizeof(version));
	if (r < 0) {
		text_copy(words, cap, db_error(db));
		return r;
	}
	*ret_version = strtol(version, NULL, 10);
	return *ret_version > SCHEMA_VERSION || *ret_version < 0 ? -EPROTO : 0;
}

static int db_setup(struct db *db, char *words, size_t cap)
{
	char mode[32];
	long version = 0;
	int r = db_configure(db);

	if (r == 0)
		r = db_examine(db, words, cap, &version);
	if (r < 0)
		return r;
	r = db_scalar(db, "PRAGMA journal_mode = WAL", mode, sizeof(mode));
	if (r == 0)
		r = db_migrate(db, version);
	if (r == 0)
		r = db_prepare(db);
	if (r < 0)
		text_copy(words, cap, db_error(db));
	return r;
}

static void explain(int error, const char *path, const char *words, char *text, size_t cap)
{
	switch (error) {
	case -EBADMSG:
		snprintf(text, cap,
			 "the database %s is damaged (%s); it is left as it is: move it away to "
			 "start again from the configuration file, or save it with 'sqlite3 %s "
			 ".recover'",
			 path, words, path);
		break;
	case -EPROTO:
		snprintf(text, cap, "the database %s was made by a newer Amps; it is left as it is",
			 path);
		break;
	case -EBUSY:
		snprintf(text, cap, "the database %s is locked by another process", path);
		break;
	default:
		snprintf(text, cap, "cannot open the database %s: %s", path, words);
		break;
	}
}

static bool has_bytes(const char *state_dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return (size_t)snprintf(path, sizeof(path), "%s/%s", state_dir, name) < sizeof(path) &&
	       stat(path, &st) == 0 && st.st_size > 0;
}

bool db_lost(const char *state_dir)
{
	return !has_bytes(state_dir, "amps.db") &&
	       (has_bytes(state_dir, "amps.db-wal") || has_bytes(state_dir, "token"));
}

int db_open(const char *state_dir, struct db **ret, char *text, size_t text_cap)
{
	char path[PATH_MAX], words[256] = "";
	struct db *db;
	int r = make_folders(state_dir, 0700, NULL);

	if (r == 0 && (size_t)snprintf(path, sizeof(path), "%s/amps.db", state_dir) >= sizeof(path))
		r = -ENAMETOOLONG;
	if (r < 0) {
		snprintf(text, text_cap, "cannot make the state folder %s: %s", state_dir,
			 strerror(-r));
		return r;
	}
	r = make_file(path);
	if (r < 0) {
		explain(r, path, strerror(-r), text, text_cap);
		return r;
	}
	db = calloc(1, sizeof(*db));
	if (db == NULL)
		return -ENOMEM;
	r = db_result(sqlite3_open_v2(
		path, &db->handle,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL));
	if (r == 0)
		r = db_setup(db, words, sizeof(words));
	if (r < 0) {
		explain(r, path, words[0] != '\0' ? words : strerror(-r), text, text_cap);
		db_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

struct db *db_close(struct db *db)
{
	if (db == NULL)
		return NULL;
	for (size_t i = 0; i < DB_STATEMENT_COUNT_; i++)
		sqlite3_finalize(db->statements[i]);
	sqlite3_close_v2(db->handle);
	free(db);
	return NULL;
}

int db_peek_meta(const char *state_dir, const char *key, char **ret_value)
{
	struct db db = {0};
	char path[PATH_MAX];
	int r = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/amps.db", state_dir) >= sizeof(path))
		return -ENAMETOOLONG;
	if (access(path, F_OK) < 0)
		return -errno;
	if (sqlite3_open_v2(path, &db.handle,
			    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
			    NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db.handle, statement_texts[DB_META_GET], -1,
			       &db.statements[DB_META_GET], NULL) != SQLITE_OK)
		r = -EIO;
	if (r == 0)
		r = db_meta_get(&db, key, ret_value);
	sqlite3_finalize(db.statements[DB_META_GET]);
	sqlite3_close_v2(db.handle);
	return r;
}

int db_begin(struct db *db)
{
	assert(!db_in_transaction(db)); /* one transaction at a time */
	/* lock for writing at once: a lock held by another process is found here, not in the middle
	 */
	return db_run(db, "BEGIN IMMEDIATE");
}

int db_commit(struct db *db)
{
	return db_run(db, "COMMIT");
}

bool db_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(db->handle);
}

void db_rollback(struct db *db)
{
	if (db_in_transaction(db))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

int db_writable(struct db *db)
{
	int moved = 0;
	int r = db_result(sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved));

	if (r == 0 && moved)
		return -ENOENT;
	if (r == 0)
		r = db_begin(db);
	db_rollback(db);
	return r;
}

static int copy_pages(const char *own, const char *path)
{
	sqlite3 *from = NULL, *to = NULL;
	sqlite3_backup *backup = NULL;
	int r = sqlite3_open_v2(own, &from,
				SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
				NULL);

	if (r == SQLITE_OK)
		r = sqlite3_open_v2(
			path, &to,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
	if (r == SQLITE_OK)
		backup = sqlite3_backup_init(to, "main", from, "main");
	if (backup) {
		/* one step is one transaction that reads, and sees one state */
		sqlite3_backup_step(backup, -1);
		r = sqlite3_backup_finish(backup);
	} else if (r == SQLITE_OK) {
		r = sqlite3_errcode(to);
	}
	/* one file holds it all */
	if (r == SQLITE_OK)
		r = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	sqlite3_close_v2(to);
	sqlite3_close_v2(from);
	return db_result(r);
}

static int copy_file(int from, int to, const atomic_bool *stop)
{
	char bytes[65536];
	ssize_t n = 1;
	off_t at = 0;
	int r = ftruncate(to, 0) < 0 || lseek(to, 0, SEEK_SET) < 0 ? -errno : 0;

	while (r == 0 && n > 0) {
		if (atomic_load_explicit(stop, memory_order_relaxed))
			return -ECANCELED;
		n = pread(from, bytes, sizeof(bytes), at);
		r = n < 0 ? -errno : write_all(to, bytes, (size_t)n);
		at += MAX(n, 0);
	}
	return r < 0 || fsync(to) == 0 || errno == EINVAL ? r : -errno;
}

int db_backup(const char *state_dir, int fd, const atomic_bool *stop)
{
	char own[PATH_MAX], path[PATH_MAX];
	_cleanup_(closep) int copy = -1;
	struct stat st;
	int r;

	/* a pipe that is not read would be waited for without end */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	if ((size_t)snprintf(own, sizeof(own), "%s/amps.db", state_dir) >= sizeof(own) ||
	    (size_t)snprintf(path, sizeof(path), "%s/amps.db-copy", state_dir) >= sizeof(path))
		return -ENAMETOOLONG;
	/* left by a crash */
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	r = make_file(path);
	if (r == 0)
		r = copy_pages(own, path);
	if (r == 0) {
		copy = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		r = copy < 0 ? -errno : copy_file(copy, fd, stop);
	}
	unlink(path);
	return r;
}

int db_judge(const char *state_dir, char *text, size_t text_cap)
{
	char path[PATH_MAX], words[256] = "";
	struct db db = {0};
	long version = 0;
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/amps.db", state_dir) >= sizeof(path))
		return -ENAMETOOLONG;
	if (access(path, F_OK) < 0) {
		r = -errno;
		snprintf(text, text_cap,
			 "there is no database %s (%s); the next start makes one "
			 "from the configuration file",
			 path, strerror(-r));
		return r;
	}
	if (!has_bytes(state_dir, "amps.db")) {
		snprintf(text, text_cap,
			 "the database %s is empty; the next start fills it "
			 "from the configuration file",
			 path);
		return -ENODATA;
	}
	r = db_result(sqlite3_open_v2(
		path, &db.handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
		NULL));
	if (r == 0)
		r = db_examine(&db, words, sizeof(words), &version);
	if (r < 0)
		explain(r, path, words[0] != '\0' ? words : db_error(&db), text, text_cap);
	else
		snprintf(text, text_cap, "the database %s is good", path);
	sqlite3_close_v2(db.handle);
	return r;
}

void db_shrink(struct db *db)
{
	sqlite3_db_release_memory(db->handle);
}

sqlite3_stmt *db_statement(struct db *db, enum db_statement which)
{
	sqlite3_stmt *statement = db->statements[which];

	assert(statement);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return statement;
}

int db_meta_get(struct db *db, const char *key, char **ret_value)
{
	sqlite3_stmt *statement = db_statement(db, DB_META_GET);
	char *value;
	int r;

	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	r = sqlite3_step(statement);
	if (r != SQLITE_ROW) {
		sqlite3_reset(statement);
		return r == SQLITE_DONE ? -ENOENT : db_result(r);
	}
	value = strdup((const char *)sqlite3_column_text(statement, 0));
	sqlite3_reset(statement);
	if (value == NULL)
		return -ENOMEM;
	*ret_value = value;
	return 0;
}

int db_meta_put(struct db *db, const char *key, const char *value, bool *ret_changed)
{
	_cleanup_(freep) char *old = NULL;
	sqlite3_stmt *statement;
	bool changed;
	int r = db_meta_get(db, key, &old);

	if (r < 0 && r != -ENOENT)
		return r;
	changed = old == NULL || strcmp(old, value) != 0;
	if (changed) {
		statement = db_statement(db, DB_META_PUT);
		sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
		r = db_result(sqlite3_step(statement));
		sqlite3_reset(statement);
		if (r < 0)
			return r;
	}
	if (ret_changed != NULL)
		*ret_changed = changed;
	return 0;
}

int db_meta_get_u64(struct db *db, const char *key, uint64_t *ret)
{
	_cleanup_(freep) char *value = NULL;
	int r = db_meta_get(db, key, &value);

	return r < 0 ? r : text_parse_u64(value, UINT64_MAX, ret);
}

int db_meta_put_u64(struct db *db, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return db_meta_put(db, key, text, NULL);
}
