#include "amps-master/store/channel_entries.h"

#include <string.h>

void channel_entries_done(struct channel_entries *e)
{
	for (size_t i = 0; i < e->count; i++)
		json_decref(e->all[i].definition);
	free(e->all);
	free((void *)e->on_air);
	*e = CHANNEL_ENTRIES_INIT;
}

static int entry_read(const struct channel_row *row, struct channel_entry *ret)
{
	json_t *definition = row->tree != NULL
				     ? json_incref(row->tree)
				     : json_loads(row->definition, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(definition)) {
		json_decref(definition);
		return -EBADMSG;
	}
	*ret = (struct channel_entry){
		.id = row->id,
		.scheduled = row->origin == ORIGIN_SCHEDULE,
		.window = SCHEDULE_ALWAYS,
		.definition = definition,
	};
	return 0;
}

/* Adds an entry that is on air; one with an unreadable schedule is never on air. */
static void entry_air(struct channel_entries *e, struct channel_entry *entry, int64_t wall_us)
{
	if (entry->scheduled && schedule_parse(entry->definition, &entry->window) < 0)
		return;
	e->next_change_wall_us = schedule_earlier(e->next_change_wall_us,
						  schedule_next_change(&entry->window, wall_us));
	if (schedule_on_air(&entry->window, wall_us))
		e->on_air[e->on_air_count++] = entry;
}

int channel_entries_read(const struct channel_rows *rows, int64_t wall_us,
			 struct channel_entries *ret)
{
	struct channel_entries e = CHANNEL_ENTRIES_INIT;
	int r = 0;

	e.all = calloc(rows->count + 1, sizeof(*e.all));
	e.on_air = (const struct channel_entry **)calloc(rows->count + 1, sizeof(*e.on_air));
	if (e.all == NULL || e.on_air == NULL)
		r = -ENOMEM;
	for (size_t i = 0; i < rows->count && r == 0; i++) {
		if (rows->rows[i].deleted)
			continue;
		r = entry_read(&rows->rows[i], &e.all[e.count]);
		if (r == 0)
			entry_air(&e, &e.all[e.count++], wall_us);
	}
	if (r < 0) {
		channel_entries_done(&e);
		return r;
	}
	*ret = e;
	return 0;
}
