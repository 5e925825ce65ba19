#include "amps-worker/lineup/guide_list.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "amps-worker/lineup/id_set.h"
#include "amps-worker/lineup/m3u.h"
#include "amps-worker/lineup/selection.h"
#include "amps-worker/lineup/xmltv.h"

#define STEP_CHANNELS 64
#define STEP_BYTES    16384u /* a step ends behind the channel that passes it */

enum phase { PHASE_CHANNELS, PHASE_PROGRAMMES, PHASE_DONE };

struct guide_list {
	const struct catalog *catalog; /* one reference */
	enum guide_form form;
	enum phase phase;
	size_t next; /* channel of this phase */
	struct selection selection;
	struct token_entry token;
	struct id_set named, filled; /* ids with a channel, and with programmes */
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
	size_t count = catalog_channel_count(l->catalog);

	if (p->form == GUIDE_XML) {
		l->follow = calloc(1, sizeof(*l->follow));
		if (!l->follow)
			return -ENOMEM;
		l->follow->end = XMLTV_END;
		l->follow->modified_s = p->lineup_s;
	}
	l->base = strdup(p->base);
	l->region = strdup(p->region);
	l->groups = strdup(p->groups);
	l->ids = strdup(p->ids);
	add_query(&l->query, "region", p->link_region);
	add_query(&l->query, "token", p->link_token);
	if (!l->base || !l->region || !l->groups || !l->ids || !buf_ok(&l->query) ||
	    id_set_init(&l->named, count) < 0 || id_set_init(&l->filled, count) < 0)
		return -ENOMEM;
	if (p->token)
		l->token = *p->token;
	l->selection = (struct selection){.catalog = l->catalog,
					  .region = l->region,
					  .groups = l->groups,
					  .ids = l->ids,
					  .token = p->token ? &l->token : NULL,
					  .wall_us = p->wall_us};
	return selection_begin(&l->selection);
}

struct guide_list *guide_list_begin(const struct catalog *c, const struct guide_params *p)
{
	struct guide_list *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	snapshot_ref(catalog_snapshot(c));
	l->catalog = c;
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

static int add_xml_programmes(struct guide_list *l, const struct catalog_channel *ch,
			      struct buf *out)
{
	const char *id = catalog_text(l->catalog, ch->tvg_id_at);
	struct programme *list;
	ssize_t n = programmes_read(l->catalog, ch, &list);

	if (n > 0 && id_set_add(&l->filled, id))
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
	put_text(program, "title", p->title);
	put_text(program, "start", start);
	put_text(program, "end", end);
	if (p->description)
		put_text(program, "description", p->description);
	return program;
}

/* What is on, if anything is, and what is next. */
static int programs_now(struct guide_list *l, const struct catalog_channel *ch, json_t *out)
{
	int64_t wall_us = l->selection.wall_us;
	struct programme *list;
	ssize_t n = programmes_read(l->catalog, ch, &list);
	const struct programme *p = n > 0 ? programmes_now(list, (size_t)n, wall_us) : NULL;

	if (p) {
		bool on = p->start_us <= wall_us;

		json_array_append_new(out, program_of(p));
		selection_expire(&l->selection, on ? p->end_us : p->start_us);
		if (on && p + 1 < list + n)
			json_array_append_new(out, program_of(p + 1));
	}
	free(list);
	return n < 0 ? (int)n : 0;
}

static int add_json_channel(struct guide_list *l, const struct catalog_channel *ch, struct buf *out)
{
	const struct catalog *c = l->catalog;
	json_t *entry = json_object(), *programs = NULL;
	char *text;
	int r = 0;

	json_object_set_new(entry, "id", json_integer(ch->id));
	put_text(entry, "epg_id", catalog_text(c, ch->tvg_id_at));
	put_text(entry, "name", catalog_text(c, ch->name_at));
	put_text(entry, "group", catalog_text(c, ch->group_at));
	put_text(entry, "logo", catalog_text(c, ch->logo_at));
	if (l->form == GUIDE_JSON) {
		programs = programs_as_written(c, ch);
	} else {
		programs = json_array();
		r = programs_now(l, ch, programs);
	}
	json_object_set_new(entry, "programs", programs);
	text = r == 0 ? json_dumps(entry, JSON_COMPACT) : NULL;
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

int guide_list_step(struct guide_list *l, struct buf *out, int64_t *ret_expires_us)
{
	size_t count = catalog_channel_count(l->catalog),
	       until = MIN(l->next + STEP_CHANNELS, count), before = out->len;
	int r = 0;

	assert(l->next <= count);
	if (before == 0 && l->form == GUIDE_XML)
		xmltv_put_head(out);
	else if (before == 0)
		buf_putc(out, '[');
	while (r == 0 && l->next < until && out->len - before < STEP_BYTES)
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
