#include "amps-master/store/publish.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "amps-master/lineup/catalog_build.h"
#include "amps-master/util/json.h"
#include "amps-master/lineup/lineup.h"
#include "amps-master/store/state_token.h"
#include "amps-master/lineup/tokens_build.h"
#include "common/shm/catalog.h"
#include "common/hash.h"
#include "common/shm/shm.h"
#include "common/shm/tokens_layout.h"

int publisher_init(struct publisher *p, const char *state_dir, uint64_t generation)
{
	*p = (struct publisher){
		.generation = generation, .catalog = BUF_INIT, .state_dir = strdup(state_dir)};
	if (getrandom(&p->tokens_base, sizeof(p->tokens_base), 0) !=
	    (ssize_t)sizeof(p->tokens_base))
		return -EIO;
	/* an even one would leave the first bytes of a token out */
	p->tokens_base |= 1;
	return p->state_dir != NULL ? 0 : -ENOMEM;
}

void publisher_done(struct publisher *p)
{
	p->last = lineup_unref(p->last);
	buf_done(&p->catalog);
	free(p->state_dir);
	p->state_dir = NULL;
}

void draft_done(struct draft *d)
{
	publication_free(d->publication);
	*d = DRAFT_INIT;
}

/* The group of a channel, or NULL. */
static json_t *group_of(const struct lineup_channel *c)
{
	json_auto_t *summary = c ? json_loads(c->summary, 0, NULL) : NULL;

	return json_incref(json_object_get(summary, "group"));
}

/* `was`: what a channel was that is removed or changed. */
static int report_add(json_t *report, const char *what, const struct lineup_channel *c,
		      const struct lineup_channel *was)
{
	json_auto_t *old = group_of(was), *now = c != was ? group_of(c) : NULL;
	bool left = json_is_string(old) && !json_equal(old, now);
	json_t *item = json_pack("{sIsssO*}", "id", (json_int_t)c->id, "name", c->name, "old_group",
				 left ? old : NULL);

	if (item == NULL || json_array_append_new(json_object_get(report, what), item) < 0)
		return -ENOMEM;
	return 0;
}

/* Walks both lists side by side: both are in id order. */
static int report_fill(json_t *report, const struct channel_list *old,
		       const struct channel_list *new)
{
	size_t o = 0, n = 0;
	int r = 0;

	while (r == 0 && (o < old->count || n < new->count)) {
		const struct lineup_channel *was = o < old->count ? old->at[o] : NULL;
		const struct lineup_channel *is = n < new->count ? new->at[n] : NULL;

		if (is == NULL || (was != NULL && was->id < is->id)) {
			r = report_add(report, "removed", was, was);
			o++;
		} else if (was == NULL || is->id < was->id) {
			r = report_add(report, "added", is, NULL);
			n++;
		} else {
			if (was != is && was->hash != is->hash)
				r = report_add(report, "changed", is, was);
			o++;
			n++;
		}
	}
	return r;
}

static int put_snapshot(struct publication *p, enum snapshot_kind kind, const char *name,
			const struct buf *bytes, uint64_t generation)
{
	struct published *s = &p->snapshots[kind];

	assert(s->fd < 0 && generation > 0);
	s->fd = shm_snapshot(name, bytes->data, bytes->len);
	s->bytes = bytes->len;
	s->generation = generation;
	return s->fd < 0 ? s->fd : 0;
}

/* The catalog is built in memory that is kept: freeing some megabytes and allocating them again
 * takes as long as filling them. */
static int catalog_publish(struct buf *bytes, const json_t *settings, struct publication *p)
{
	int r;

	buf_reset(bytes);
	r = catalog_build(settings, &p->lineup->channels, p->generation, bytes);
	return r < 0 ? r : put_snapshot(p, SNAPSHOT_CATALOG, "amps-catalog", bytes, p->generation);
}

static int tokens_publish(const struct publisher *last, const json_t *auth, const json_t *made,
			  const char *shared, struct draft *d)
{
	_cleanup_(buf_done) struct buf bytes = BUF_INIT;
	struct tokens_header *header;
	int r = tokens_build(auth, made, shared, last->tokens_base,
			     json_object_get(d->publication->report, "warnings"), &bytes);

	if (r < 0)
		return r;
	d->tokens_hash = hash_end(hash_bytes(HASH_START, bytes.data, bytes.len));
	d->tokens_generation = last->tokens_generation;
	if (last->tokens_generation == 0 || d->tokens_hash != last->tokens_hash) {
		header = (struct tokens_header *)(void *)bytes.data;
		header->snapshot.generation = ++d->tokens_generation;
		r = put_snapshot(d->publication, SNAPSHOT_TOKENS, "amps-tokens", &bytes,
				 d->tokens_generation);
	}
	explicit_bzero(bytes.data, bytes.len);
	return r;
}

static int access_publish(const struct publisher *last, const json_t *settings,
			  const json_t *tokens, struct draft *d, char *text, size_t cap)
{
	const json_t *auth = json_object_get(settings, "auth");
	struct state_token token = {0};
	int r;

	if (!json_read_bool(auth, "enabled", true))
		return tokens_publish(last, auth, tokens, NULL, d);
	r = state_token_find(auth, last->state_dir, &token, text, cap);
	if (r == 0 && token.made_path[0] != '\0' &&
	    json_object_set_new(d->publication->report, "token_file",
				json_string(token.made_path)) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = tokens_publish(last, auth, tokens, token.token, d);
	explicit_bzero(token.token, sizeof(token.token));
	return r;
}

static int draft_fill(struct publisher *last, const json_t *settings, const json_t *tokens,
		      const struct channel_list *all, int64_t wall_us, struct draft *d, char *text,
		      size_t cap)
{
	static const struct channel_list none = CHANNEL_LIST_INIT;
	struct publication *p = publication_new();
	struct channel_list on_air;
	int r;

	d->publication = p;
	if (p == NULL)
		return -ENOMEM;
	p->generation = last->generation + 1;
	r = channel_entries_on_air(all, wall_us, &on_air, &p->next_change_wall_us);
	if (r == 0)
		r = lineup_new(settings, &on_air, &p->lineup);
	if (r == 0)
		r = lineup_add_schedule(p->lineup, all, wall_us);
	if (r == 0)
		r = catalog_publish(&last->catalog, settings, p);
	if (r == 0)
		r = access_publish(last, settings, tokens, d, text, cap);
	if (r == 0)
		r = report_fill(p->report, last->last != NULL ? &last->last->channels : &none,
				&p->lineup->channels);
	return r;
}

int publish_build(struct publisher *p, const json_t *settings, const json_t *tokens,
		  const struct channel_list *all, int64_t wall_us, struct draft *ret, char *text,
		  size_t text_cap)
{
	struct draft d = DRAFT_INIT;
	int r;

	text[0] = '\0';
	r = draft_fill(p, settings, tokens, all, wall_us, &d, text, text_cap);
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
	p->tokens_generation = d->tokens_generation;
	p->tokens_hash = d->tokens_hash;
	lineup_unref(p->last);
	p->last = lineup_ref(publication->lineup);
	*d = DRAFT_INIT;
	return publication;
}
