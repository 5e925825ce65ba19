#include "amps-master/store/db_token.h"

#include <assert.h>

int db_token_list(struct db *db, json_t **ret)
{
	sqlite3_stmt *statement = db_statement(db, DB_TOKEN_LIST);
	json_auto_t *list = json_array();
	int r = list != NULL ? 0 : -ENOMEM, step = SQLITE_DONE;

	while (r == 0 && (step = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);
		json_t *entry = text != NULL ? json_loads(text, 0, NULL) : NULL;

		if (!json_is_object(entry)) {
			json_decref(entry);
			r = text != NULL ? -EBADMSG : -ENOMEM;
		} else if (json_array_append_new(list, entry) < 0) {
			r = -ENOMEM;
		}
	}
	if (r == 0)
		r = db_result(step);
	sqlite3_reset(statement);
	if (r == 0)
		*ret = json_incref(list);
	return r;
}

int db_token_add(struct db *db, const char *name, const json_t *entry)
{
	sqlite3_stmt *statement = db_statement(db, DB_TOKEN_ADD);
	_cleanup_(freep) char *text = json_dumps(entry, JSON_COMPACT);
	int step;

	assert(json_object_get(entry, "token") == NULL);
	if (text == NULL)
		return -ENOMEM;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
	step = sqlite3_step(statement);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return (step & 0xff) == SQLITE_CONSTRAINT ? -EEXIST : db_result(step);
}

int db_token_delete(struct db *db, const char *name)
{
	sqlite3_stmt *statement = db_statement(db, DB_TOKEN_DELETE);
	bool found;
	int step;

	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	step = sqlite3_step(statement);
	found = step == SQLITE_ROW;
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	if (db_result(step) < 0)
		return db_result(step);
	return found ? 0 : -ENOENT;
}
