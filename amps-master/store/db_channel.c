#include "amps-master/store/db_channel.h"

#include <stdio.h>
#include <string.h>

static const char *const origin_names[ORIGIN_COUNT_] = {"file", "api", "schedule"};

static enum channel_origin origin_parse(const char *name)
{
	for (unsigned i = 0; i < ORIGIN_COUNT_; i++)
		if (strcmp(origin_names[i], name) == 0)
			return (enum channel_origin)i;
	return ORIGIN_FILE; /* the table's CHECK lets no other name in */
}

void channel_rows_done(struct channel_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		free(rows->rows[i].definition);
	free(rows->rows);
	*rows = CHANNEL_ROWS_INIT;
}

/* The row that the statement stands at; its definition is the statement's, or NULL without
 * memory. */
static struct channel_row row_at(sqlite3_stmt *statement)
{
	return (struct channel_row){
		.id = (uint32_t)sqlite3_column_int64(statement, 0),
		.origin = origin_parse((const char *)sqlite3_column_text(statement, 1)),
		.in_file = sqlite3_column_type(statement, 2) != SQLITE_NULL,
		.file_hash = (uint64_t)sqlite3_column_int64(statement, 2),
		.deleted = sqlite3_column_int(statement, 3) != 0,
		.definition = (char *)(uintptr_t)sqlite3_column_text(statement, 4),
	};
}

static int row_read(sqlite3_stmt *statement, struct channel_row *ret)
{
	*ret = row_at(statement);
	ret->definition = ret->definition != NULL ? strdup(ret->definition) : NULL;
	return ret->definition != NULL ? 0 : -ENOMEM;
}

int db_channel_each(struct db *db, int (*each)(void *arg, const struct channel_row *row), void *arg)
{
	sqlite3_stmt *statement = db_statement(db, DB_CHANNEL_LIST);
	int r = 0, step;

	while ((step = sqlite3_step(statement)) == SQLITE_ROW && r == 0) {
		struct channel_row row = row_at(statement);

		r = row.definition != NULL ? each(arg, &row) : -ENOMEM;
	}
	if (r == 0)
		r = db_result(step);
	sqlite3_reset(statement);
	return r;
}

/* A list that grows. */
struct row_list {
	struct channel_rows rows;
	size_t cap;
};

static int rows_append(void *arg, const struct channel_row *row)
{
	struct row_list *l = arg;
	struct channel_row *to;

	if (l->rows.count == l->cap) {
		size_t wider = l->cap == 0 ? 256 : 2 * l->cap;
		struct channel_row *grown = reallocarray(l->rows.rows, wider, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		l->rows.rows = grown;
		l->cap = wider;
	}
	to = &l->rows.rows[l->rows.count];
	*to = *row;
	to->definition = strdup(row->definition);
	l->rows.count += to->definition != NULL;
	return to->definition != NULL ? 0 : -ENOMEM;
}

int db_channel_list(struct db *db, struct channel_rows *ret)
{
	struct row_list list = {0};
	int r = db_channel_each(db, rows_append, &list);

	if (r < 0) {
		channel_rows_done(&list.rows);
		return r;
	}
	*ret = list.rows;
	return 0;
}

int db_channel_get(struct db *db, uint32_t id, struct channel_row *ret)
{
	sqlite3_stmt *statement = db_statement(db, DB_CHANNEL_GET);
	int step, r;

	sqlite3_bind_int64(statement, 1, id);
	step = sqlite3_step(statement);
	if (step == SQLITE_ROW)
		r = row_read(statement, ret);
	else
		r = step == SQLITE_DONE ? -ENOENT : db_result(step);
	sqlite3_reset(statement);
	return r;
}

bool channel_row_scheduled(const struct channel_row *row, const json_t *entry)
{
	return row->origin == ORIGIN_SCHEDULE ||
	       (row->origin == ORIGIN_API && json_object_get(entry, "schedule") != NULL);
}

struct channel_row *channel_rows_find(const struct channel_rows *rows, uint32_t id)
{
	size_t low = 0, high = rows->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (rows->rows[middle].id == id)
			return &rows->rows[middle];
		if (rows->rows[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* A text or a number as a text column; NULL stays NULL. */
static void bind_scalar(sqlite3_stmt *statement, int index, const json_t *value)
{
	char number[32];

	if (json_is_string(value)) {
		sqlite3_bind_text(statement, index, json_string_value(value), -1, SQLITE_TRANSIENT);
	} else if (json_is_number(value)) {
		snprintf(number, sizeof(number), "%.15g", json_number_value(value));
		sqlite3_bind_text(statement, index, number, -1, SQLITE_TRANSIENT);
	}
}

int db_channel_put(struct db *db, const struct channel_row *row, const json_t *entry)
{
	sqlite3_stmt *statement = db_statement(db, DB_CHANNEL_PUT);
	const char *name = json_string_value(json_object_get(entry, "name"));
	int r;

	sqlite3_bind_int64(statement, 1, row->id);
	sqlite3_bind_text(statement, 2, origin_names[row->origin], -1, SQLITE_STATIC);
	if (row->in_file)
		sqlite3_bind_int64(statement, 3, (sqlite3_int64)row->file_hash);
	sqlite3_bind_int(statement, 4, row->deleted);
	sqlite3_bind_text(statement, 5, name != NULL ? name : "", -1, SQLITE_STATIC);
	bind_scalar(statement, 6, json_object_get(entry, "group"));
	bind_scalar(statement, 7, json_object_get(entry, "channel_number"));
	sqlite3_bind_text(statement, 8, row->definition, -1, SQLITE_STATIC);
	r = db_result(sqlite3_step(statement));
	sqlite3_reset(statement);
	return r;
}

int db_channel_delete(struct db *db, uint32_t id)
{
	sqlite3_stmt *statement = db_statement(db, DB_CHANNEL_DELETE);
	int r;

	sqlite3_bind_int64(statement, 1, id);
	r = db_result(sqlite3_step(statement));
	sqlite3_reset(statement);
	return r;
}
