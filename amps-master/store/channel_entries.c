#include "amps-master/store/channel_entries.h"

#include <assert.h>
#include <string.h>
#include "common/hash.h"

static int entry_resolve(const struct channel_row *row, const json_t *settings, uint64_t hash,
			 struct lineup_channel **ret)
{
	struct channel_entry entry = {.id = row->id};
	int r = -EBADMSG;

	entry.definition = row->tree != NULL
				   ? json_incref(row->tree)
				   : json_loads(row->definition, JSON_REJECT_DUPLICATES, NULL);
	entry.scheduled = channel_row_scheduled(row, entry.definition);
	if (json_is_object(entry.definition))
		r = lineup_channel_new(settings, &entry, hash, ret);
	json_decref(entry.definition);
	return r;
}

static int entry_add(struct channel_list *list, const struct channel_row *row,
		     const json_t *settings, struct lineup_channel *known)
{
	uint64_t hash = hash_end(hash_text(hash_u64(HASH_START, row->origin), row->definition));
	int r = 0;

	if (known != NULL && known->id == row->id && known->source_hash == hash)
		list->at[list->count] = lineup_channel_ref(known);
	else
		r = entry_resolve(row, settings, hash, &list->at[list->count]);
	list->count += r == 0;
	return r;
}

int channel_entries_read(const struct channel_rows *rows, const json_t *settings,
			 const struct channel_list *known, struct channel_list *ret)
{
	struct channel_list list;
	size_t k = 0;
	int r = channel_list_init(rows->count, &list);

	for (size_t i = 0; i < rows->count && r == 0; i++) {
		const struct channel_row *row = &rows->rows[i];

		while (k < known->count && known->at[k]->id < row->id)
			k++;
		if (!row->deleted)
			r = entry_add(&list, row, settings, k < known->count ? known->at[k] : NULL);
	}
	if (r < 0) {
		channel_list_done(&list);
		return r;
	}
	*ret = list;
	return 0;
}

int channel_entries_change(const struct channel_list *known, const json_t *settings,
			   const struct channel_rows *rows, struct channel_list *ret)
{
	struct channel_list list;
	size_t from = 0;
	int r = channel_list_init(known->count + rows->count, &list);

	for (size_t i = 0; i < rows->count && r == 0; i++) {
		const struct channel_row *row = &rows->rows[i];
		size_t at = channel_list_find(known, row->id);

		assert(at >= from);
		channel_list_share(&list, known, from, at);
		from = at + (at < known->count && known->at[at]->id == row->id);
		if (!row->deleted)
			r = entry_add(&list, row, settings, NULL);
	}
	if (r < 0) {
		channel_list_done(&list);
		return r;
	}
	channel_list_share(&list, known, from, known->count);
	*ret = list;
	return 0;
}

int channel_entries_on_air(const struct channel_list *all, int64_t wall_us,
			   struct channel_list *ret, int64_t *ret_next_change_wall_us)
{
	int64_t next = TIME_NONE;
	int r = channel_list_init(all->count, ret);

	if (r < 0)
		return r;
	for (size_t i = 0; i < all->count; i++) {
		struct lineup_channel *c = all->at[i];

		if (!c->on_air_ever)
			continue;
		next = schedule_earlier(next, schedule_next_change(&c->window, wall_us));
		if (schedule_on_air(&c->window, wall_us))
			ret->at[ret->count++] = lineup_channel_ref(c);
	}
	*ret_next_change_wall_us = next;
	return 0;
}
