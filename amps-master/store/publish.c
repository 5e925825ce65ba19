#include "amps-master/store/publish.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/lineup/catalog_build.h"
#include "amps-master/util/json.h"
#include "amps-master/lineup/lineup.h"
#include "amps-master/store/state_token.h"
#include "amps-master/lineup/tokens_build.h"
#include "common/shm/catalog.h"
#include "common/hash.h"
#include "common/shm/shm.h"
#include "common/shm/tokens_layout.h"

static void published_list_done(struct published_list *list)
{
	buf_done(&list->names);
	free(list->channels);
	*list = (struct published_list){0};
}

int publisher_init(struct publisher *p, const char *state_dir, uint64_t generation)
{
	*p = (struct publisher){.generation = generation, .state_dir = strdup(state_dir)};
	return p->state_dir != NULL ? 0 : -ENOMEM;
}

void publisher_done(struct publisher *p)
{
	published_list_done(&p->last);
	free(p->state_dir);
	p->state_dir = NULL;
}

void draft_done(struct draft *d)
{
	publication_free(d->publication);
	published_list_done(&d->list);
	*d = DRAFT_INIT;
}

/* The list of what the catalog in `bytes` publishes. */
static int list_make(const struct buf *bytes, const struct lineup *l, struct published_list *ret)
{
	struct catalog *c;
	int r = catalog_open_memory(bytes->data, bytes->len, &c);

	if (r < 0)
		return r;
	ret->channels = calloc(catalog_channel_count(c) + 1, sizeof(*ret->channels));
	if (ret->channels == NULL)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < catalog_channel_count(c); i++) {
		const struct catalog_channel *ch = catalog_channel_at(c, i);
		const char *name = catalog_text(c, ch->name_at);
		uint64_t h =
			hash_u64(hash_u64(HASH_START, ch->hash), lineup_channel_hash(l, ch->id));

		/* report_fill() walks two lists side by side */
		assert(i == 0 || ret->channels[i - 1].id < ch->id);
		ret->channels[i] = (struct published){
			.id = ch->id,
			.hash = hash_end(h),
			.name_at = (uint32_t)ret->names.len,
		};
		buf_add(&ret->names, name, strlen(name) + 1);
		ret->count++;
	}
	if (!buf_ok(&ret->names))
		r = -ENOMEM;
	catalog_unref(c);
	return r;
}

static int report_add(json_t *report, const char *what, const struct published_list *list, size_t i)
{
	const struct published *channel = &list->channels[i];
	json_t *item = json_pack("{sIss}", "id", (json_int_t)channel->id, "name",
				 list->names.data + channel->name_at);

	if (item == NULL || json_array_append_new(json_object_get(report, what), item) < 0)
		return -ENOMEM;
	return 0;
}

/* Walks both lists side by side: both are in id order. */
static int report_fill(json_t *report, const struct published_list *old,
		       const struct published_list *new)
{
	size_t o = 0, n = 0;
	int r = 0;

	while (r == 0 && (o < old->count || n < new->count)) {
		const struct published *was = o < old->count ? &old->channels[o] : NULL;
		const struct published *is = n < new->count ? &new->channels[n] : NULL;

		if (is == NULL || (was != NULL && was->id < is->id)) {
			r = report_add(report, "removed", old, o++);
		} else if (was == NULL || is->id < was->id) {
			r = report_add(report, "added", new, n++);
		} else {
			if (was->hash != is->hash)
				r = report_add(report, "changed", new, n);
			o++;
			n++;
		}
	}
	return r;
}

static int catalog_publish(const json_t *settings, const struct channel_entries *e, struct draft *d)
{
	_cleanup_(buf_done) struct buf bytes = BUF_INIT;
	struct publication *p = d->publication;
	int r = catalog_build(settings, e->on_air, e->on_air_count, p->generation, &bytes);

	if (r == 0)
		r = lineup_build(settings, e->on_air, e->on_air_count, &p->lineup);
	if (r == 0)
		r = list_make(&bytes, p->lineup, &d->list);
	if (r < 0)
		return r;
	p->catalog_bytes = bytes.len;
	p->catalog_fd = shm_snapshot("amps-catalog", bytes.data, bytes.len);
	return p->catalog_fd < 0 ? p->catalog_fd : 0;
}

static int tokens_publish(const struct publisher *last, const json_t *auth, const char *shared,
			  struct draft *d)
{
	_cleanup_(buf_done) struct buf bytes = BUF_INIT;
	struct publication *p = d->publication;
	struct tokens_header *header;
	int r = tokens_build(auth, shared, json_object_get(p->report, "warnings"), &bytes);

	if (r < 0)
		return r;
	d->tokens_hash = hash_end(hash_bytes(HASH_START, bytes.data, bytes.len));
	p->tokens_generation = last->tokens_generation;
	if (last->tokens_generation == 0 || d->tokens_hash != last->tokens_hash)
		p->tokens_generation++;
	header = (struct tokens_header *)(void *)bytes.data;
	header->generation = p->tokens_generation;
	p->tokens_bytes = bytes.len;
	p->tokens_fd = shm_snapshot("amps-tokens", bytes.data, bytes.len);
	explicit_bzero(bytes.data, bytes.len);
	return p->tokens_fd < 0 ? p->tokens_fd : 0;
}

static int access_publish(const struct publisher *last, const json_t *settings, struct draft *d,
			  char *text, size_t cap)
{
	const json_t *auth = json_object_get(settings, "auth");
	struct state_token token = {0};
	int r;

	if (!json_read_bool(auth, "enabled", true))
		return tokens_publish(last, auth, NULL, d);
	r = state_token_find(auth, last->state_dir, &token, text, cap);
	if (r == 0 && token.made_path[0] != '\0' &&
	    json_object_set_new(d->publication->report, "token_file",
				json_string(token.made_path)) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = tokens_publish(last, auth, token.token, d);
	explicit_bzero(token.token, sizeof(token.token));
	return r;
}

static int draft_fill(const struct publisher *p, json_t *settings, const struct channel_entries *e,
		      int64_t wall_us, struct draft *d, char *text, size_t cap)
{
	int r;

	d->publication = publication_new();
	if (d->publication == NULL)
		return -ENOMEM;
	d->publication->generation = p->generation + 1;
	d->publication->next_change_wall_us = e->next_change_wall_us;
	r = channel_profiles_complete(settings);
	if (r == 0)
		r = catalog_publish(settings, e, d);
	if (r == 0)
		r = lineup_add_schedule(d->publication->lineup, e->all, e->count, wall_us);
	if (r == 0)
		r = access_publish(p, settings, d, text, cap);
	if (r == 0)
		r = report_fill(d->publication->report, &p->last, &d->list);
	return r;
}

int publish_build(const struct publisher *p, json_t *settings, const struct channel_rows *rows,
		  int64_t wall_us, struct draft *ret, char *text, size_t text_cap)
{
	struct channel_entries entries = CHANNEL_ENTRIES_INIT;
	struct draft d = DRAFT_INIT;
	int r = channel_entries_read(rows, wall_us, &entries);

	text[0] = '\0';
	if (r == 0)
		r = draft_fill(p, settings, &entries, wall_us, &d, text, text_cap);
	channel_entries_done(&entries);
	if (r < 0) {
		if (text[0] == '\0')
			snprintf(text, text_cap, "the line-up cannot be published: %s",
				 strerror(-r));
		draft_done(&d);
		return r;
	}
	*ret = d;
	return 0;
}

struct publication *publisher_accept(struct publisher *p, struct draft *d)
{
	struct publication *publication = TAKE_PTR(d->publication);

	assert(publication && publication->generation == p->generation + 1);

	p->generation = publication->generation;
	p->tokens_generation = publication->tokens_generation;
	p->tokens_hash = d->tokens_hash;
	published_list_done(&p->last);
	p->last = d->list;
	*d = DRAFT_INIT;
	return publication;
}
