#include "amps-master/api/list_cache.h"

#include <assert.h>
#include <string.h>
#include "common/shm/tokens.h"
#include "common/text/buf.h"

static void entry_done(struct list_entry *e)
{
	free(e->key);
	api_result_done(&e->result);
}

void list_cache_done(struct list_cache *l)
{
	for (size_t i = 0; i < l->count; i++)
		entry_done(&l->entries[i]);
	*l = (struct list_cache){0};
}

static void put_text(struct buf *b, const char *text)
{
	buf_printf(b, " %zu:%s", strlen(text), text);
}

/* All that decides the list; no text of a request has a NUL.  The caller frees it; NULL without
 * memory. */
static char *key_of(const struct api_call *c)
{
	const struct msg_api_call *m = &c->m;
	const char *const texts[] = {m->region, m->group, m->ids, m->search};
	bool admin = c->rights >= API_ADMIN;
	struct buf b = BUF_INIT;

	buf_printf(&b, "%d %d %u %u", admin, m->no_variants, m->limit, m->offset);
	for (size_t i = 0; i < array_size(texts); i++)
		put_text(&b, texts[i]);
	for (uint32_t i = 0; !admin && c->token != NULL && i < c->token->group_count; i++)
		put_text(&b, c->token->groups[i]);
	if (buf_ok(&b))
		return b.data;
	buf_done(&b);
	return NULL;
}

/* Drops what is of another generation. */
static void follow(struct list_cache *l, uint64_t generation)
{
	assert(generation >= l->generation);
	if (generation != l->generation)
		list_cache_done(l);
	l->generation = generation;
}

bool list_cache_answer(struct list_cache *l, uint64_t generation, struct api_call *c)
{
	_cleanup_(freep) char *key = key_of(c);

	follow(l, generation);
	for (size_t i = 0; key != NULL && i < l->count; i++)
		if (strcmp(l->entries[i].key, key) == 0)
			return api_result_copy(&l->entries[i].result, &c->result) == 0;
	return false;
}

void list_cache_keep(struct list_cache *l, uint64_t generation, const struct api_call *c)
{
	struct list_entry entry = {.key = key_of(c)};

	follow(l, generation);
	if (c->result.file < 0 || entry.key == NULL ||
	    api_result_copy(&c->result, &entry.result) < 0) {
		free(entry.key);
		return;
	}
	if (l->count == API_LISTS_MAX)
		entry_done(&l->entries[l->next]);
	else
		l->next = l->count++;
	l->entries[l->next] = entry;
	l->next = (l->next + 1) % API_LISTS_MAX;
}
