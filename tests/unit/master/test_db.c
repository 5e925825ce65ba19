#include "amps-master/store/db_channel.h"
#include "amps-master/store/db_token.h"

#include <fcntl.h>
#include <sys/stat.h>
#include "state_folder.h"

static struct db *open_ok(const struct state_folder *f)
{
	char text[512] = "";
	struct db *db = NULL;

	cr_assert_eq(db_open(f->state, &db, text, sizeof(text)), 0, "%s", text);
	return db;
}

Test(db, makes_its_folder_and_file_for_its_user_alone)
{
	struct state_folder f;
	struct stat st;
	char path[128];
	struct db *db;

	umask(0);
	state_folder_make(&f);
	db = open_ok(&f);
	cr_assert_eq(stat(f.state, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_eq(db_meta_put_u64(db, "generation", 1), 0);
	state_folder_file(&f, "amps.db", path);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	state_folder_file(&f, "amps.db-wal", path);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	db_close(db);
	cr_assert_null(db_close(NULL));
	state_folder_remove(&f);
}

Test(db, meta_values_persist)
{
	struct state_folder f;
	struct db *db;
	char *value = NULL;
	uint64_t n = 0;
	bool changed = false;

	state_folder_make(&f);
	db = open_ok(&f);
	cr_assert_eq(db_meta_get(db, "settings", &value), -ENOENT);
	cr_assert_eq(db_meta_put(db, "settings", "{}", &changed), 0);
	cr_assert(changed);
	cr_assert_eq(db_meta_put(db, "settings", "{}", &changed), 0);
	cr_assert_not(changed);
	cr_assert_eq(db_meta_put_u64(db, "generation", UINT64_MAX), 0);
	db_close(db);
	db = open_ok(&f);
	cr_assert_eq(db_meta_get(db, "settings", &value), 0);
	cr_assert_str_eq(value, "{}");
	free(value);
	cr_assert_eq(db_meta_get_u64(db, "generation", &n), 0);
	cr_assert_eq(n, UINT64_MAX);
	cr_assert_eq(db_meta_get_u64(db, "settings", &n), -EINVAL);
	db_close(db);
	state_folder_remove(&f);
}

Test(db, a_rolled_back_transaction_leaves_nothing)
{
	struct state_folder f;
	struct db *db;
	char *value = NULL;

	state_folder_make(&f);
	db = open_ok(&f);
	cr_assert_eq(db_begin(db), 0);
	cr_assert_eq(db_meta_put(db, "a", "1", NULL), 0);
	db_rollback(db);
	db_rollback(db);
	cr_assert_eq(db_meta_get(db, "a", &value), -ENOENT);
	cr_assert_lt(db_commit(db), 0);
	db_close(db);
	state_folder_remove(&f);
}

Test(db, channels)
{
	struct state_folder f;
	struct channel_rows rows = CHANNEL_ROWS_INIT;
	struct channel_row row = {.id = 2147483647,
				  .origin = ORIGIN_SCHEDULE,
				  .in_file = true,
				  .file_hash = 0xfedcba9876543210ull,
				  .definition = (char *)"{\"name\":\"Late\"}"};
	json_t *entry =
		json_pack("{sssssi}", "name", "Late", "group", "Films", "channel_number", 7);
	struct db *db;

	state_folder_make(&f);
	db = open_ok(&f);
	cr_assert_eq(db_channel_put(db, &row, entry), 0);
	row.id = 0;
	row.origin = ORIGIN_API;
	row.in_file = false;
	row.deleted = true;
	cr_assert_eq(db_channel_put(db, &row, entry), 0);
	cr_assert_eq(db_channel_list(db, &rows), 0);
	cr_assert_eq(rows.count, 2);
	cr_assert_eq(rows.rows[0].id, 0);
	cr_assert_eq(rows.rows[0].origin, ORIGIN_API);
	cr_assert(rows.rows[0].deleted);
	cr_assert_not(rows.rows[0].in_file);
	cr_assert_eq(channel_rows_find(&rows, 2147483647)->file_hash, 0xfedcba9876543210ull);
	cr_assert_null(channel_rows_find(&rows, 5));
	channel_rows_done(&rows);
	cr_assert_eq(db_channel_delete(db, 0), 0);
	cr_assert_eq(db_channel_list(db, &rows), 0);
	cr_assert_eq(rows.count, 1);
	channel_rows_done(&rows);
	json_decref(entry);
	db_close(db);
	state_folder_remove(&f);
}

Test(db, the_tables_refuse_malformed_values)
{
	struct state_folder f;
	struct channel_row row = {
		.id = 3000000000u, .origin = ORIGIN_API, .definition = (char *)"{}"};
	struct db *db;

	state_folder_make(&f);
	db = open_ok(&f);
	cr_assert_lt(db_channel_put(db, &row, NULL), 0);
	row.id = 1;
	row.origin = ORIGIN_FILE; /* without the hash of the file's entry */
	cr_assert_lt(db_channel_put(db, &row, NULL), 0);
	row.origin = ORIGIN_API;
	cr_assert_eq(db_channel_put(db, &row, NULL), 0);
	db_close(db);
	state_folder_remove(&f);
}

/* What the file holds after a refusal must be what it held before. */
static void check_refused(const char *content, size_t n, int error, const char *word)
{
	struct state_folder f;
	char path[128], text[512] = "", after[8192];
	struct db *db = NULL;
	ssize_t got;
	int fd;

	state_folder_make(&f);
	db_close(open_ok(&f));
	state_folder_file(&f, "amps.db", path);
	fd = open(path, O_RDWR | O_TRUNC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, content, n), (ssize_t)n);
	db = NULL;
	cr_assert_eq(db_open(f.state, &db, text, sizeof(text)), error, "%s", text);
	cr_assert_null(db);
	cr_assert_not_null(strstr(text, word), "%s", text);
	cr_assert_not_null(strstr(text, path), "%s", text);
	got = pread(fd, after, sizeof(after), 0);
	cr_assert_eq(got, (ssize_t)n);
	cr_assert_eq(memcmp(after, content, n), 0);
	close(fd);
	state_folder_remove(&f);
}

Test(db, a_file_that_is_no_database_is_refused_and_kept)
{
	char noise[4096];

	memset(noise, '#', sizeof(noise));
	check_refused(noise, sizeof(noise), -EBADMSG, "damaged");
}

Test(db, a_damaged_database_is_refused_and_kept)
{
	struct state_folder f;
	char path[128], content[8192];
	ssize_t n;
	int fd;

	/* a good one, its second page (the first table) then overwritten */
	state_folder_make(&f);
	db_close(open_ok(&f));
	state_folder_file(&f, "amps.db", path);
	fd = open(path, O_RDONLY);
	n = read(fd, content, sizeof(content));
	cr_assert_eq(n, (ssize_t)sizeof(content));
	close(fd);
	state_folder_remove(&f);
	memset(content + 4096, 0xee, 4096);
	check_refused(content, sizeof(content), -EBADMSG, "damaged");
}

Test(db, a_newer_layout_is_refused_and_kept)
{
	struct state_folder f;
	sqlite3 *handle;
	char path[128], text[512] = "";
	struct db *db = NULL;

	state_folder_make(&f);
	db_close(open_ok(&f));
	state_folder_file(&f, "amps.db", path);
	cr_assert_eq(sqlite3_open(path, &handle), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(handle, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
	cr_assert_eq(db_open(f.state, &db, text, sizeof(text)), -EPROTO);
	cr_assert_not_null(strstr(text, "newer Amps"), "%s", text);
	state_folder_remove(&f);
}

Test(db, the_layout_before_the_tokens_gets_their_table)
{
	struct state_folder f;
	sqlite3 *handle;
	char path[128];
	struct db *db;
	json_t *list = NULL, *entry = json_pack("{s:s, s:s}", "name", "a", "token_sha256", "00");

	state_folder_make(&f);
	db_close(open_ok(&f));
	state_folder_file(&f, "amps.db", path);
	cr_assert_eq(sqlite3_open(path, &handle), SQLITE_OK);
	cr_assert_eq(
		sqlite3_exec(handle, "DROP TABLE token; PRAGMA user_version = 1", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(handle);
	db = open_ok(&f);
	cr_assert_eq(db_token_add(db, "a", entry), 0);
	cr_assert_eq(db_token_add(db, "a", entry), -EEXIST);
	db_close(db);
	db = open_ok(&f);
	cr_assert_eq(db_token_list(db, &list), 0);
	cr_assert_eq(json_array_size(list), 1);
	cr_assert(json_equal(json_array_get(list, 0), entry));
	cr_assert_eq(db_token_delete(db, "a"), 0);
	cr_assert_eq(db_token_delete(db, "a"), -ENOENT);
	db_close(db);
	json_decref(list);
	json_decref(entry);
	state_folder_remove(&f);
}

Test(db, a_folder_that_cannot_be_made)
{
	struct db *db = NULL;
	char text[512] = "";

	cr_assert_eq(db_open("/dev/null/state", &db, text, sizeof(text)), -ENOTDIR);
	cr_assert_not_null(strstr(text, "/dev/null/state"), "%s", text);
}

Test(db, a_lost_database_is_noticed)
{
	struct state_folder f;
	char path[128];

	state_folder_make(&f);
	cr_expect_not(db_lost(f.state), "a folder that is new");
	db_close(open_ok(&f));
	state_folder_file(&f, "token", path);
	cr_assert_eq(close(creat(path, 0600)), 0);
	cr_assert_eq(truncate(path, 32), 0);
	cr_expect_not(db_lost(f.state), "the database is there");
	state_folder_file(&f, "amps.db", path);
	cr_assert_eq(truncate(path, 0), 0);
	cr_expect(db_lost(f.state), "it is empty");
	cr_assert_eq(unlink(path), 0);
	cr_expect(db_lost(f.state), "it is missing");
	state_folder_file(&f, "token", path);
	cr_assert_eq(unlink(path), 0);
	cr_expect_not(db_lost(f.state));
	state_folder_remove(&f);
}
