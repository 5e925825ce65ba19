#include "amps-master/api/read.h"

#include <stdio.h>
#include <string.h>
#include "amps-master/api/list_cache.h"
#include "amps-master/util/json.h"
#include "common/text/buf.h"
#include "common/text/group.h"
#include "common/text/text.h"

/* What viewers see of a channel and of a variant. */
static const char *const viewer_fields[] = {
	"id",
	"name",
	"tvg_id",
	"tvg_name",
	"epg_id",
	"logo",
	"group",
	"channel_number",
	"description",
	"program_feed",
	"next_programs",
	"schedule",
	"regions_allowed",
	"regions_blocked",
	"output_format",
	"ll_hls",
	"audio_only",
};
static const char *const viewer_variant_fields[] = {"name", "label"};

#define VARIANTS "adaptive_bitrates"

static json_t *pick(const json_t *from, const char *const *names, size_t count)
{
	json_t *picked = json_object();

	for (size_t i = 0; i < count; i++) {
		json_t *value = json_object_get(from, names[i]);

		if (value != NULL)
			json_object_set(picked, names[i], value);
	}
	return picked;
}

/* A definition as viewers get it; a new reference. */
static json_t *viewer_entry(const json_t *definition)
{
	const json_t *variants = json_object_get(definition, VARIANTS);
	json_t *entry = pick(definition, viewer_fields, array_size(viewer_fields));
	json_t *list = variants != NULL ? json_array() : NULL, *variant;
	size_t i;

	json_array_foreach (variants, i, variant)
		json_array_append_new(list, pick(variant, viewer_variant_fields,
						 array_size(viewer_variant_fields)));
	if (list != NULL)
		json_object_set_new(entry, VARIANTS, list);
	return entry;
}

/* The text of an entry as this client gets it; the caller frees it. */
static char *entry_text(const struct api_call *c, json_t *definition)
{
	json_auto_t *entry =
		c->rights >= API_ADMIN ? json_incref(definition) : viewer_entry(definition);

	if (c->m.no_variants)
		json_object_del(entry, VARIANTS);
	return json_dumps(entry, JSON_COMPACT);
}

/* ---------- the list ---------- */

struct listing {
	const struct api_call *call;
	const struct channel_list *all; /* resolved, in id order */
	int64_t wall_us;
	uint64_t *ids; /* sorted; NULL = all */
	size_t id_count;
	bool by_group;
	bool plain; /* every entry is sent as it is stored */
	uint64_t matched;
	struct buf out;
};

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The numbers of a comma-separated list; what is no number is ignored, and none means no filter. */
static int read_ids(struct listing *l, const char *text)
{
	_cleanup_(freep) char *copy = strdup(text);
	char *rest = copy, *word;

	l->ids = calloc(FILTER_IDS_MAX, sizeof(*l->ids));
	if (copy == NULL || l->ids == NULL)
		return -ENOMEM;
	while ((word = strsep(&rest, ", \t")) != NULL && l->id_count < FILTER_IDS_MAX)
		if (text_parse_u64(word, CHANNEL_ID_MAX, &l->ids[l->id_count]) == 0)
			l->id_count++;
	qsort(l->ids, l->id_count, sizeof(*l->ids), compare_ids);
	if (l->id_count > 0)
		return 0;
	free(l->ids);
	l->ids = NULL;
	return 0;
}

static bool is_on_air(const struct listing *l, uint32_t id)
{
	size_t at = channel_list_find(l->all, id);
	const struct lineup_channel *c = at < l->all->count ? l->all->at[at] : NULL;

	return c != NULL && c->id == id && c->on_air_ever &&
	       schedule_on_air(&c->window, l->wall_us);
}

static bool contains(const json_t *definition, const char *key, const char *word)
{
	char scratch[32];
	const char *text = json_read_text(definition, key, scratch);

	return text != NULL && strcasestr(text, word) != NULL;
}

static bool is_found(const json_t *definition, const char *word)
{
	static const char *const keys[] = {"id", "name", "tvg_name", "group", "channel_number"};

	for (size_t i = 0; i < array_size(keys); i++)
		if (contains(definition, keys[i], word))
			return true;
	return false;
}

static bool is_wanted(const struct listing *l, const json_t *definition)
{
	const struct msg_api_call *m = &l->call->m;
	char scratch[32];
	const char *group = json_read_text(definition, "group", scratch);

	if (!call_may_see(l->call, definition) || !call_region_allows(l->call, definition))
		return false;
	if (l->by_group && (group == NULL || !group_in_list(m->group, group)))
		return false;
	return m->search[0] == '\0' || is_found(definition, m->search);
}

/* Counts one more match; true if it is on the page that was asked for. */
static bool next_match(struct listing *l)
{
	const struct msg_api_call *m = &l->call->m;
	uint64_t index = l->matched++;

	return index >= m->offset && index - m->offset < m->limit;
}

static int put_text(struct listing *l, const char *text)
{
	if (text == NULL)
		return -ENOMEM;
	if (l->out.len > 1)
		buf_putc(&l->out, ',');
	buf_puts(&l->out, text);
	return buf_ok(&l->out) ? 0 : -ENOMEM;
}

static int put_parsed(struct listing *l, const char *definition)
{
	json_auto_t *tree = json_loads(definition, 0, NULL);
	_cleanup_(freep) char *text = NULL;

	if (tree == NULL)
		return -EBADMSG;
	if (!is_wanted(l, tree) || !next_match(l))
		return 0;
	text = entry_text(l->call, tree);
	return put_text(l, text);
}

static int put_row(void *arg, const struct channel_row *row)
{
	struct listing *l = arg;
	uint64_t id = row->id;

	if (row->deleted || !is_on_air(l, row->id))
		return 0;
	if (l->ids != NULL && bsearch(&id, l->ids, l->id_count, sizeof(id), compare_ids) == NULL)
		return 0;
	if (!l->plain)
		return put_parsed(l, row->definition);
	return next_match(l) ? put_text(l, row->definition) : 0;
}

static void fail_read(struct api_call *c, int error)
{
	call_fail(c, 503, "the database cannot be read: %s", strerror(-error));
}

void read_streams(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret)
{
	struct api_call *c = call;
	const struct msg_api_call *m = &c->m;
	struct listing l = {.call = c, .all = &w->channels, .wall_us = wall_us};
	int r;

	*ret = (struct store_answer){0};
	/* what is on air changes with the generation, too */
	if (list_cache_answer(c->lists, w->publisher.generation, c))
		return;
	r = m->ids[0] != '\0' ? read_ids(&l, m->ids) : 0;
	l.by_group = !group_list_empty(m->group);
	l.plain = c->rights >= API_ADMIN && !l.by_group && m->search[0] == '\0' &&
		  m->region[0] == '\0' && !m->no_variants;
	buf_putc(&l.out, '[');
	if (r == 0)
		r = db_channel_each(w->db, put_row, &l);
	buf_putc(&l.out, ']');
	if (r == 0 && !buf_ok(&l.out))
		r = -ENOMEM;
	free(l.ids);
	if (r < 0) {
		buf_done(&l.out);
		fail_read(c, r);
		return;
	}
	call_succeed_list(c, &l.out, l.matched);
	list_cache_keep(c->lists, w->publisher.generation, c);
}

/* ---------- one channel ---------- */

/* The channel that the call names, parsed, and its text; or a result that says why not. */
static json_t *find_channel(struct store_work *w, struct api_call *c, int64_t wall_us,
			    char **ret_text)
{
	struct listing l = {.call = c, .all = &w->channels, .wall_us = wall_us};
	struct channel_row row = {0};
	int r = db_channel_get(w->db, (uint32_t)c->m.id, &row);
	json_t *tree = r == 0 && !row.deleted ? json_loads(row.definition, 0, NULL) : NULL;

	if (r < 0 && r != -ENOENT)
		fail_read(c, r);
	else if (tree == NULL || (c->rights < API_ADMIN && !is_on_air(&l, row.id)))
		call_fail(c, 404, "there is no channel %u", (unsigned)c->m.id);
	else if (!call_may_see(c, tree))
		call_fail(c, 403, "this token may not see the channel");
	else if (!call_region_allows(c, tree))
		call_fail(c, 403, "the channel is not available in this region");
	if (c->result.status != 0) {
		free(row.definition);
		json_decref(tree);
		return NULL;
	}
	*ret_text = row.definition;
	return tree;
}

void read_stream(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret)
{
	struct api_call *c = call;
	_cleanup_(freep) char *text = NULL;
	json_auto_t *tree = find_channel(w, c, wall_us, &text);
	char *shown;

	*ret = (struct store_answer){0};
	if (tree == NULL)
		return;
	shown = c->rights >= API_ADMIN ? TAKE_PTR(text) : entry_text(c, tree);
	if (shown != NULL)
		call_set_etag(c, shown);
	call_succeed_text(c, 200, shown);
}

void read_programs(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret)
{
	struct api_call *c = call;
	_cleanup_(freep) char *text = NULL;
	json_auto_t *tree = find_channel(w, c, wall_us, &text);
	json_t *programs = json_object_get(tree, "next_programs");

	*ret = (struct store_answer){0};
	if (tree == NULL)
		return;
	if (c->rights >= API_ADMIN)
		call_set_etag(c, text);
	call_succeed(c, 200, programs != NULL ? json_incref(programs) : json_array());
}

/* ---------- settings ---------- */

void read_profiles(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret)
{
	json_t *profiles = json_object_get(w->settings, "profiles");

	(void)wall_us;
	*ret = (struct store_answer){0};
	call_succeed(call, 200, profiles != NULL ? json_incref(profiles) : json_object());
}

void read_plugins(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret)
{
	json_t *names = json_object_get(w->settings, "plugins");

	(void)wall_us;
	*ret = (struct store_answer){0};
	call_succeed(call, 200,
		     json_pack("{s:[], s:o}", "loaded", "failed",
			       names != NULL ? json_incref(names) : json_array()));
}
