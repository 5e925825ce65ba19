#include "amps-worker/lineup/guide_list.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "amps-worker/lineup/id_set.h"
#include "amps-worker/lineup/m3u.h"
#include "amps-worker/lineup/selection.h"
#include "amps-worker/lineup/xmltv.h"
#include "common/hash.h"
#include "common/text/xml.h"

/* A step ends behind the channel that passes one of them. */
#define STEP_CHANNELS	64
#define STEP_PROGRAMMES 512u /* read, of the channels' own */
#define STEP_BYTES	16384u

enum phase { PHASE_CHANNELS, PHASE_PROGRAMMES, PHASE_DONE };

struct guide_list {
	const struct catalog *catalog; /* one reference */
	const struct guide *guide;     /* likewise, or NULL */
	enum guide_form form;
	enum phase phase;
	size_t next; /* channel of this phase */
	size_t read; /* programmes, in this step */
	struct selection selection;
	struct token_entry token;
	struct id_set named, filled; /* of XMLTV: ids with a channel, and with programmes */
	struct buf query;	     /* "?region=US&token=...", the same for every link */
	struct body_follow *follow;  /* of XMLTV */
	bool comma;		     /* of JSON: an entry was written */
	char *base, *region, *link_region, *link_token, *groups, *ids; /* owned */
};

static void add_query(struct buf *b, const char *name, const char *value)
{
	if (!value[0])
		return;
	buf_printf(b, "%c%s=", b->len ? '&' : '?', name);
	m3u_encode(b, value);
}

static int begin(struct guide_list *l, const struct guide_params *p)
{
	if (p->form == GUIDE_XML) {
		l->follow = calloc(1, sizeof(*l->follow));
		if (!l->follow)
			return -ENOMEM;
		l->follow->end = XMLTV_END;
		if (l->guide)
			l->follow->snapshot = snapshot_ref(guide_snapshot(l->guide));
	}
	l->base = strdup(p->base);
	l->region = strdup(p->region);
	l->groups = strdup(p->groups);
	l->ids = strdup(p->ids);
	add_query(&l->query, "region", p->link_region);
	add_query(&l->query, "token", p->link_token);
	if (!l->base || !l->region || !l->groups || !l->ids || !buf_ok(&l->query))
		return -ENOMEM;
	if (p->token)
		l->token = *p->token;
	l->selection = (struct selection){.catalog = l->catalog,
					  .region = l->region,
					  .groups = l->groups,
					  .ids = l->ids,
					  .token = p->token ? &l->token : NULL,
					  .wall_us = p->wall_us};
	return 0;
}

struct guide_list *guide_list_begin(const struct catalog *c, const struct guide *g,
				    const struct guide_params *p)
{
	struct guide_list *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	snapshot_ref(catalog_snapshot(c));
	l->catalog = c;
	if (g)
		snapshot_ref(guide_snapshot(g));
	l->guide = g;
	l->form = p->form;
	if (begin(l, p) == 0)
		return l;
	guide_list_end(l);
	return NULL;
}

void guide_list_end(struct guide_list *l)
{
	if (!l)
		return;
	snapshot_unref(catalog_snapshot(l->catalog));
	if (l->guide)
		snapshot_unref(guide_snapshot(l->guide));
	body_follow_free(l->follow);
	selection_end(&l->selection);
	id_set_done(&l->named);
	id_set_done(&l->filled);
	buf_done(&l->query);
	free(l->base);
	free(l->region);
	free(l->groups);
	free(l->ids);
	free(l);
}

/* ---------- XMLTV ---------- */

static int add_xml_channel(struct guide_list *l, const struct catalog_channel *ch, struct buf *out)
{
	_cleanup_(buf_done) struct buf url = BUF_INIT;

	if (!id_set_add(&l->named, catalog_text(l->catalog, ch->tvg_id_at)))
		return 0;
	buf_printf(&url, "%s/stream/%u.ts", l->base, ch->id);
	buf_add(&url, l->query.data, l->query.len);
	if (!buf_ok(&url))
		return -ENOMEM;
	xmltv_put_channel(out, l->catalog, ch, url.data);
	return 0;
}

/* Adds the imported programmes of an id to what follows the text. */
static void add_imported(struct guide_list *l, const struct guide_channel *ch)
{
	struct body_follow *f = l->follow;

	body_tail_add(&f->plain, guide_bytes(l->guide, ch->xml_at), ch->xml_bytes);
	body_tail_add(&f->packed, guide_bytes(l->guide, ch->packed_at), ch->packed_bytes);
	f->crc = (uint32_t)crc32_combine(f->crc, ch->crc, (z_off_t)ch->xml_bytes);
	f->hash = hash_u64(f->hash, ch->xml_bytes << 32 | ch->crc);
}

/* The imported programmes if a channel shows them, else NULL; of its own, *ret_own is what is
 * ahead.
 */
static const struct guide_channel *choose(struct guide_list *l, const struct catalog_channel *ch,
					  struct programmes_ahead *ret_own)
{
	const struct guide_channel *imported =
		guide_find(l->guide, catalog_text(l->catalog, ch->tvg_id_at));

	l->read += ch->program_count;
	programmes_ahead(l->catalog, ch, l->selection.wall_us, ret_own);
	if (!imported)
		return NULL;
	/* the document changes when the last of its own is over */
	selection_expire(&l->selection, ret_own->end_us);
	return ret_own->count > 0 ? NULL : imported;
}

static int add_xml_programmes(struct guide_list *l, const struct catalog_channel *ch,
			      struct buf *out)
{
	const char *id = catalog_text(l->catalog, ch->tvg_id_at);
	const struct guide_channel *imported;
	struct programmes_ahead own;
	struct programme *list;
	ssize_t n;

	if (id_set_has(&l->filled, id))
		return 0;
	imported = choose(l, ch, &own);
	if (!imported && own.end_us == TIME_NONE)
		return 0;
	id_set_add(&l->filled, id);
	if (imported) {
		add_imported(l, imported);
		return 0;
	}
	n = programmes_read(l->catalog, ch, &list);
	for (ssize_t i = 0; i < n; i++)
		xmltv_put_programme(out, id, &list[i]);
	free(list);
	return n < 0 ? (int)n : 0;
}

/* ---------- JSON ---------- */

static void put_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, text ? json_string(text) : json_null());
}

/* One of next_programs, as it was written. */
static json_t *program_as_written(const struct catalog *c, const struct catalog_program *p)
{
	const struct {
		const char *key;
		uint32_t at;
	} texts[] = {{"title", p->title_at},
		     {"start", p->start_at},
		     {"end", p->end_at},
		     {"description", p->description_at}};
	json_t *program = json_object();

	for (size_t i = 0; i < array_size(texts); i++)
		if (texts[i].at)
			put_text(program, texts[i].key, catalog_text(c, texts[i].at));
	return program;
}

static json_t *programs_as_written(const struct catalog *c, const struct catalog_channel *ch)
{
	const struct catalog_program *p = catalog_programs(c, ch);
	json_t *list = json_array();

	for (uint32_t i = 0; p && i < ch->program_count; i++)
		json_array_append_new(list, program_as_written(c, &p[i]));
	return list;
}

static json_t *program_of(const struct programme *p)
{
	char start[32], end[32];
	json_t *program = json_object();

	time_format_iso8601(p->start_us, start);
	time_format_iso8601(p->end_us, end);
	if (p->title)
		put_text(program, "title", p->title);
	put_text(program, "start", start);
	put_text(program, "end", end);
	if (p->description)
		put_text(program, "description", p->description);
	return program;
}

static void put_escaped(json_t *object, const char *key, struct guide_text text)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT;

	if (!text.at)
		return;
	xml_read(&b, text.at, text.len);
	if (buf_ok(&b) && b.data)
		json_object_set_new(object, key, json_stringn(b.data, b.len));
}

static json_t *program_imported(const struct guide_entry *e)
{
	json_t *program =
		program_of(&(struct programme){.start_us = e->start_us, .end_us = e->end_us});

	put_escaped(program, "title", e->title);
	put_escaped(program, "description", e->description);
	return program;
}

/* Imported programmes from `first` on. */
static void add_entries(const struct guide_list *l, const struct guide_channel *ch, uint32_t first,
			uint32_t most, json_t *out)
{
	struct guide_entry e;

	for (uint32_t i = 0; i < most && guide_entry_at(l->guide, ch, first + i, &e); i++)
		json_array_append_new(out, program_imported(&e));
}

/* What is on, if anything is, and what is next, of the imported programmes. */
static void imported_now(struct guide_list *l, const struct guide_channel *ch, json_t *out)
{
	int64_t wall_us = l->selection.wall_us;
	uint32_t now = guide_now(l->guide, ch, wall_us);
	struct guide_entry e;
	bool on;

	if (now > 0 && guide_entry_at(l->guide, ch, now - 1, &e))
		selection_expire(&l->selection, e.end_us);
	if (!guide_entry_at(l->guide, ch, now, &e))
		return;
	on = e.start_us <= wall_us;
	selection_expire(&l->selection, e.start_us);
	if (on)
		selection_expire(&l->selection, e.end_us);
	add_entries(l, ch, now, on ? 2 : 1, out);
}

/* The same of a channel's own ones. */
static void own_now(struct guide_list *l, const struct programmes_ahead *own, json_t *out)
{
	const struct programme *p = &own->list[0];
	bool on = own->count > 0 && p->start_us <= l->selection.wall_us;

	selection_expire(&l->selection, own->changed_us);
	if (own->count == 0)
		return;
	selection_expire(&l->selection, on ? p->end_us : p->start_us);
	for (size_t i = 0; i < (on ? own->count : 1); i++)
		json_array_append_new(out, program_of(&own->list[i]));
}

static json_t *programs(struct guide_list *l, const struct catalog_channel *ch)
{
	struct programmes_ahead own;
	const struct guide_channel *imported = choose(l, ch, &own);
	json_t *list;

	if (l->form == GUIDE_JSON && !imported)
		return programs_as_written(l->catalog, ch);
	list = json_array();
	if (imported && l->form == GUIDE_JSON)
		add_entries(l, imported, 0, UINT32_MAX, list);
	else if (imported)
		imported_now(l, imported, list);
	else
		own_now(l, &own, list);
	return list;
}

static int add_json_channel(struct guide_list *l, const struct catalog_channel *ch, struct buf *out)
{
	const struct catalog *c = l->catalog;
	json_t *entry = json_object();
	char *text;

	json_object_set_new(entry, "id", json_integer(ch->id));
	put_text(entry, "epg_id", catalog_text(c, ch->tvg_id_at));
	put_text(entry, "name", catalog_text(c, ch->name_at));
	put_text(entry, "group", catalog_text(c, ch->group_at));
	put_text(entry, "logo", catalog_text(c, ch->logo_at));
	json_object_set_new(entry, "programs", programs(l, ch));
	text = json_dumps(entry, JSON_COMPACT);
	json_decref(entry);
	if (!text)
		return -ENOMEM;
	if (l->comma)
		buf_puts(out, ",\n");
	l->comma = true;
	buf_puts(out, text);
	free(text);
	return 0;
}

/* ---------- the steps ---------- */

static int add_channel(struct guide_list *l, const struct catalog_channel *ch, struct buf *out)
{
	if (!selection_has(&l->selection, ch))
		return 0;
	if (l->form != GUIDE_XML)
		return add_json_channel(l, ch, out);
	return l->phase == PHASE_CHANNELS ? add_xml_channel(l, ch, out)
					  : add_xml_programmes(l, ch, out);
}

/* All channels of the phase are written. */
static void next_phase(struct guide_list *l, struct buf *out)
{
	assert(l->phase != PHASE_DONE);
	l->phase =
		l->form == GUIDE_XML && l->phase == PHASE_CHANNELS ? PHASE_PROGRAMMES : PHASE_DONE;
	l->next = 0;
	if (l->phase == PHASE_DONE && l->form != GUIDE_XML)
		buf_puts(out, "]\n");
}

/* What only a document that is being written needs: many requests may wait for their turn. */
static int prepare(struct guide_list *l)
{
	size_t count = catalog_channel_count(l->catalog);
	int r = selection_begin(&l->selection);

	if (r == 0 && l->form == GUIDE_XML)
		r = id_set_init(&l->named, count);
	if (r == 0 && l->form == GUIDE_XML)
		r = id_set_init(&l->filled, count);
	return r;
}

int guide_list_step(struct guide_list *l, struct buf *out, int64_t *ret_expires_us)
{
	size_t count = catalog_channel_count(l->catalog),
	       until = MIN(l->next + STEP_CHANNELS, count), before = out->len;
	int r = l->selection.filter ? 0 : prepare(l);

	assert(l->next <= count);
	l->read = 0;
	if (before == 0 && l->form == GUIDE_XML)
		xmltv_put_head(out);
	else if (before == 0)
		buf_putc(out, '[');
	while (r == 0 && l->next < until && out->len - before < STEP_BYTES &&
	       l->read < STEP_PROGRAMMES)
		r = add_channel(l, catalog_channel_at(l->catalog, l->next++), out);
	if (r == 0 && l->next == count)
		next_phase(l, out);
	if (r == 0 && l->form != GUIDE_XML && out->len > GUIDE_JSON_MAX)
		r = -EFBIG;
	if (r < 0 || !buf_ok(out))
		return r < 0 ? r : -ENOMEM;
	*ret_expires_us = l->selection.expires_us;
	return l->phase != PHASE_DONE;
}

struct body_follow *guide_list_follow(struct guide_list *l)
{
	assert(l->phase == PHASE_DONE);
	return TAKE_PTR(l->follow);
}

int64_t guide_list_changed_us(const struct guide_list *l)
{
	assert(l->phase == PHASE_DONE);
	return l->selection.changed_us;
}
