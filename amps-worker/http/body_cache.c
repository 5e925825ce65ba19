#include "amps-worker/http/body_cache.h"

#include <assert.h>
#include <string.h>
#include <sys/queue.h>
#include "amps-worker/http/body_build.h"
#include "common/hash.h"
#include "common/limits.h"

struct entry {
	TAILQ_ENTRY(entry) link;
	struct body *body; /* one reference */
	int64_t made_us, expires_us;
	uint64_t hash;
	size_t key_len;
	char key[];
};

struct body_cache {
	TAILQ_HEAD(entry_list, entry) entries; /* most recently used first */
	size_t max_bytes, bytes, count;
};

static uint64_t hash_key(const void *key, size_t key_len)
{
	return hash_end(hash_bytes(HASH_START, key, key_len));
}

struct body_cache *body_cache_new(size_t max_bytes)
{
	struct body_cache *cache = calloc(1, sizeof(*cache));

	if (cache) {
		TAILQ_INIT(&cache->entries);
		cache->max_bytes = max_bytes;
	}
	return cache;
}

static size_t entry_bytes(const struct entry *e)
{
	return sizeof(*e) + e->key_len + sizeof(*e->body) + e->body->plain_len + e->body->gzip_len;
}

static void drop(struct body_cache *cache, struct entry *e)
{
	assert(cache->count > 0 && cache->bytes >= entry_bytes(e));
	TAILQ_REMOVE(&cache->entries, e, link);
	cache->bytes -= entry_bytes(e);
	cache->count--;
	body_unref(e->body);
	free(e);
}

void body_cache_free(struct body_cache *cache)
{
	struct entry *e;

	if (!cache)
		return;
	while ((e = TAILQ_FIRST(&cache->entries)))
		drop(cache, e);
	free(cache);
}

static struct entry *find(struct body_cache *cache, const void *key, size_t key_len)
{
	uint64_t hash = hash_key(key, key_len);
	struct entry *e;

	TAILQ_FOREACH (e, &cache->entries, link)
		if (e->hash == hash && e->key_len == key_len && !memcmp(e->key, key, key_len))
			return e;
	return NULL;
}

struct body *body_cache_get(struct body_cache *cache, const void *key, size_t key_len,
			    int64_t wall_us)
{
	struct entry *e = find(cache, key, key_len);

	if (!e)
		return NULL;
	/* an earlier time than when it was made: the clock was set back, the content may differ */
	if (wall_us >= e->expires_us || wall_us < e->made_us) {
		drop(cache, e);
		return NULL;
	}
	TAILQ_REMOVE(&cache->entries, e, link);
	TAILQ_INSERT_HEAD(&cache->entries, e, link);
	return body_ref(e->body);
}

static void insert(struct body_cache *cache, struct entry *e)
{
	struct entry *last;

	assert((cache->count == 0) == TAILQ_EMPTY(&cache->entries));
	TAILQ_INSERT_HEAD(&cache->entries, e, link);
	cache->bytes += entry_bytes(e);
	cache->count++;
	while ((cache->bytes > cache->max_bytes || cache->count > BODY_CACHE_ENTRIES) &&
	       (last = TAILQ_LAST(&cache->entries, entry_list)) != e)
		drop(cache, last);
}

void body_cache_keep(struct body_cache *cache, const void *key, size_t key_len, struct body *body,
		     int64_t wall_us, int64_t expires_us)
{
	struct entry *old = find(cache, key, key_len), *e;

	if (old)
		drop(cache, old);
	if (body->plain_len + body->gzip_len > cache->max_bytes / 4)
		return;
	e = malloc(sizeof(*e) + key_len);
	if (!e)
		return;
	*e = (struct entry){.body = body_ref(body),
			    .made_us = wall_us,
			    .expires_us = expires_us,
			    .hash = hash_key(key, key_len),
			    .key_len = key_len};
	memcpy(e->key, key, key_len);
	insert(cache, e);
}

void body_cache_drop_unused(struct body_cache *cache)
{
	struct entry *e, *next;

	for (e = TAILQ_FIRST(&cache->entries); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->body->refs == 1)
			drop(cache, e);
	}
}

struct body *body_cache_put(struct body_cache *cache, const void *key, size_t key_len,
			    struct buf *plain, const char *type, int64_t wall_us,
			    int64_t expires_us)
{
	struct body_build build;
	struct body *body;

	if (body_build_begin(&build, plain, type, NULL) < 0)
		return NULL;
	while (!body_build_step(&build))
		;
	body = body_build_end(&build);
	body_cache_keep(cache, key, key_len, body, wall_us, expires_us);
	return body;
}

struct body *body_cache_text(struct body_cache *cache, const char *name, const char *text,
			     const char *type, int64_t wall_us)
{
	_cleanup_(buf_done) struct buf plain = BUF_INIT;
	struct body *body = body_cache_get(cache, name, strlen(name), wall_us);

	if (body)
		return body;
	buf_puts(&plain, text);
	return buf_ok(&plain)
		       ? body_cache_put(cache, name, strlen(name), &plain, type, wall_us, INT64_MAX)
		       : NULL;
}

size_t body_cache_bytes(const struct body_cache *cache)
{
	return cache->bytes;
}

size_t body_cache_count(const struct body_cache *cache)
{
	return cache->count;
}
