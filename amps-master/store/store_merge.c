#include "amps-master/store/store_merge.h"

#include <string.h>
#include "amps-master/util/json.h"
#include "common/hash.h"
#include "common/limits.h"

/* One channel of the file. */
struct file_entry {
	uint32_t id;
	enum channel_origin origin;
	uint64_t hash;
	char *text; /* the definition */
	const json_t *definition;
};

struct file_entries {
	struct file_entry *entries; /* in id order */
	size_t count;
};

struct merge {
	struct db *db;
	const struct discard *discard;
	json_t *notices;
	bool changed;
};

static void file_entries_done(struct file_entries *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->entries[i].text);
	free(f->entries);
}

static int file_entry_read(const json_t *definition, enum channel_origin origin,
			   struct file_entry *ret)
{
	const json_t *id = json_object_get(definition, "id");
	uint64_t h = hash_u64(HASH_START, origin);

	if (!json_is_integer(id) || json_integer_value(id) < 0 ||
	    json_integer_value(id) > CHANNEL_ID_MAX)
		return -EINVAL;
	*ret = (struct file_entry){
		.id = (uint32_t)json_integer_value(id),
		.origin = origin,
		.text = json_dumps(definition, JSON_COMPACT),
		.definition = definition,
	};
	if (ret->text == NULL)
		return -ENOMEM;
	ret->hash = hash_end(hash_text(h, ret->text));
	return 0;
}

static int file_entries_add(struct file_entries *f, const json_t *list, enum channel_origin origin)
{
	size_t i;
	json_t *item;
	int r = 0;

	json_array_foreach (list, i, item) {
		r = file_entry_read(item, origin, &f->entries[f->count]);
		if (r < 0)
			break;
		f->count++;
	}
	return r;
}

static int by_id(const void *a, const void *b)
{
	const struct file_entry *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int file_entries_read(const json_t *model, struct file_entries *f)
{
	const json_t *streams = json_object_get(model, "streams");
	const json_t *scheduled = json_object_get(model, "scheduled_streams");
	int r;

	f->entries = calloc(json_array_size(streams) + json_array_size(scheduled) + 1,
			    sizeof(*f->entries));
	if (f->entries == NULL)
		return -ENOMEM;
	r = file_entries_add(f, streams, ORIGIN_FILE);
	if (r == 0)
		r = file_entries_add(f, scheduled, ORIGIN_SCHEDULE);
	if (r < 0)
		return r;
	qsort(f->entries, f->count, sizeof(*f->entries), by_id);
	for (size_t i = 1; i < f->count; i++)
		if (f->entries[i - 1].id == f->entries[i].id)
			return -EINVAL;
	return 0;
}

static int notice(struct merge *m, const char *format, uint32_t id)
{
	/* the formats are the constants below */
	json_t *line = json_sprintf(format, (unsigned)id);

	return line == NULL || json_array_append_new(m->notices, line) < 0 ? -ENOMEM : 0;
}

static int entry_put(struct merge *m, const struct file_entry *f)
{
	struct channel_row row = {
		.id = f->id,
		.origin = f->origin,
		.in_file = true,
		.file_hash = f->hash,
		.definition = f->text,
	};

	m->changed = true;
	return db_channel_put(m->db, &row, f->definition);
}

/* Is the row a change of the API that is to be dropped? */
static bool is_discarded(const struct merge *m, const struct channel_row *row)
{
	return (row->origin == ORIGIN_API || row->deleted) && discard_has(m->discard, row->id);
}

/* The file has the entry and so has the database. */
static int merge_both(struct merge *m, const struct channel_row *row, const struct file_entry *f)
{
	int r = 0;

	if (is_discarded(m, row))
		r = notice(m,
			   "channel %u: what was done through the API is discarded, the file's "
			   "entry is in force",
			   f->id);
	else if (row->in_file && row->file_hash == f->hash)
		return 0;
	else if (row->deleted)
		r = notice(m,
			   "channel %u changed in the file: it is back, although it was deleted "
			   "through the API",
			   f->id);
	else if (row->origin == ORIGIN_API)
		r = notice(m,
			   "channel %u changed in the file: what was set through the API is "
			   "replaced",
			   f->id);
	return r < 0 ? r : entry_put(m, f);
}

/* The file no longer has the entry. */
static int merge_gone(struct merge *m, const struct channel_row *row)
{
	bool discarded = is_discarded(m, row);
	int r = 0;

	if (!row->in_file && !discarded)
		return 0;
	if (!row->in_file)
		r = notice(m, "channel %u, which the API has made, is discarded", row->id);
	else if (row->origin == ORIGIN_API && !row->deleted)
		r = notice(m,
			   "channel %u was removed from the file: what was set through the API "
			   "goes with it",
			   row->id);
	m->changed = true;
	return r < 0 ? r : db_channel_delete(m->db, row->id);
}

static int merge_channels(struct merge *m, const struct channel_rows *rows,
			  const struct file_entries *f)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < rows->count || j < f->count)) {
		const struct channel_row *row = i < rows->count ? &rows->rows[i] : NULL;
		const struct file_entry *entry = j < f->count ? &f->entries[j] : NULL;

		if (entry == NULL || (row != NULL && row->id < entry->id)) {
			r = merge_gone(m, row);
			i++;
		} else if (row == NULL || entry->id < row->id) {
			r = entry_put(m, entry);
			j++;
		} else {
			r = merge_both(m, row, entry);
			i++;
			j++;
		}
	}
	return r;
}

static int merge_settings(struct merge *m, const json_t *model)
{
	json_t *settings = json_copy((json_t *)(uintptr_t)model);
	char *text;
	bool changed = false;
	int r = -ENOMEM;

	json_object_del(settings, "streams");
	json_object_del(settings, "scheduled_streams");
	text = settings != NULL ? json_dumps(settings, JSON_COMPACT) : NULL;
	if (text != NULL)
		r = db_meta_put(m->db, "settings", text, &changed);
	m->changed |= changed;
	free(text);
	json_decref(settings);
	return r;
}

int store_raise_highest_id(struct db *db, uint32_t id, bool *ret_changed)
{
	uint64_t highest = 0;
	int r = db_meta_get_u64(db, "highest_id", &highest);

	if ((r < 0 && r != -ENOENT) || (r == 0 && id <= highest))
		return r;
	if (ret_changed != NULL)
		*ret_changed = true;
	return db_meta_put_u64(db, "highest_id", id);
}

int store_merge(struct db *db, const json_t *model, const struct discard *discard, json_t *notices,
		bool *ret_changed)
{
	struct merge m = {.db = db, .discard = discard, .notices = notices};
	struct channel_rows rows = CHANNEL_ROWS_INIT;
	struct file_entries file = {0};
	int r = file_entries_read(model, &file);

	if (r == 0)
		r = db_channel_list(db, &rows);
	if (r == 0)
		r = merge_channels(&m, &rows, &file);
	if (r == 0)
		r = merge_settings(&m, model);
	if (r == 0 && file.count > 0)
		r = store_raise_highest_id(db, file.entries[file.count - 1].id, &m.changed);
	channel_rows_done(&rows);
	file_entries_done(&file);
	if (r == 0)
		*ret_changed = m.changed;
	return r;
}

static void trees_lend(const json_t *list, struct channel_rows *rows)
{
	size_t i;
	json_t *entry;

	json_array_foreach (list, i, entry) {
		json_int_t id = json_integer_value(json_object_get(entry, "id"));
		struct channel_row *row = channel_rows_find(rows, (uint32_t)id);

		if (row != NULL && row->in_file && row->origin != ORIGIN_API)
			row->tree = entry;
	}
}

void store_merge_trees(const json_t *model, struct channel_rows *rows)
{
	trees_lend(json_object_get(model, "streams"), rows);
	trees_lend(json_object_get(model, "scheduled_streams"), rows);
}
