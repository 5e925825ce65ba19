#include "amps-master/guide/guide_now.h"

#include "common/clock.h"
#include "common/shm/programmes.h"
#include "common/text/xml.h"

static void put_time(json_t *entry, const char *key, int64_t us)
{
	char text[32];

	time_format_iso8601(us, text);
	json_object_set_new(entry, key, json_string(text));
}

/* A programme that is on, or the next one. */
static void put(json_t *entry, bool on, json_t *title, int64_t start_us, int64_t end_us)
{
	json_object_set_new(entry, on ? "now" : "next", title);
	put_time(entry, on ? "until" : "start", on ? end_us : start_us);
}

static json_t *title_of(const struct guide_entry *e)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT;

	xml_read(&b, e->title.at, e->title.len);
	return b.data ? json_stringn(b.data, b.len) : json_null();
}

static void put_imported(json_t *entry, const struct guide *g, const struct guide_channel *ch,
			 int64_t wall_us)
{
	uint32_t at = guide_now(g, ch, wall_us);
	struct guide_entry e;

	for (; guide_entry_at(g, ch, at, &e); at++) {
		bool on = e.start_us <= wall_us;

		put(entry, on, title_of(&e), e.start_us, e.end_us);
		if (!on)
			return;
	}
}

static void put_own(json_t *entry, const struct programmes_ahead *own, int64_t wall_us)
{
	for (size_t i = 0; i < own->count; i++) {
		const struct programme *p = &own->list[i];
		bool on = p->start_us <= wall_us;

		put(entry, on, json_string(p->title ? p->title : ""), p->start_us, p->end_us);
		if (!on)
			return;
	}
}

static json_t *channel_of(const struct catalog *c, const struct guide *g,
			  const struct catalog_channel *ch, int64_t wall_us)
{
	json_t *entry =
		json_pack("{s:I, s:s?, s:n, s:n, s:n, s:n}", "id", (json_int_t)ch->id, "name",
			  catalog_text(c, ch->name_at), "now", "until", "next", "start");
	const struct guide_channel *imported = guide_find(g, catalog_text(c, ch->tvg_id_at));
	struct programmes_ahead own;

	programmes_ahead(c, ch, wall_us, &own);
	if (own.count > 0)
		put_own(entry, &own, wall_us);
	else if (imported)
		put_imported(entry, g, imported, wall_us);
	return entry;
}

json_t *guide_now_report(const struct catalog *c, const struct guide *g, int64_t wall_us)
{
	json_t *list = json_array();

	for (size_t i = 0; i < catalog_channel_count(c); i++)
		json_array_append_new(list, channel_of(c, g, catalog_channel_at(c, i), wall_us));
	return list;
}
