/* body_cache.c - see body_cache.h. */
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <zlib.h>
#include "amps-worker/body_cache.h"

/* Level 1 needs a quarter of level 6's time and a playlist still shrinks to a tenth: what is large
 * must not hold up the loop. */
#define GZIP_SMALL_BYTES  (64u << 10)
#define GZIP_SMALL_LEVEL  6
#define GZIP_LARGE_LEVEL  1
#define GZIP_WORTH_BYTES  512	    /* smaller bodies fit a packet anyway */
#define GZIP_WINDOW_BITS  (15 + 16) /* + 16: a gzip wrapper */
#define GZIP_MEMORY_LEVEL 8

struct entry {
	TAILQ_ENTRY(entry) link;
	struct body *body; /* one reference */
	int64_t made_us, expires_us;
	uint64_t hash;
	size_t key_len;
	char key[];
};

struct body_cache {
	TAILQ_HEAD(entry_list, entry) entries; /* the one used last stands first */
	size_t max_bytes, bytes, count;
};

/* FNV-1a over 8-byte words with a final mix: names bodies and finds keys; nothing secret. */
static uint64_t hash_bytes(const char *at, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull ^ len;

	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	for (; len; at++, len--)
		h = (h ^ (unsigned char)*at) * 0x100000001b3ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h ^ h >> 32;
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
	uint64_t hash = hash_bytes(key, key_len);
	struct entry *e;

	TAILQ_FOREACH(e, &cache->entries, link)
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
	/* Before it was made, the clock was set back: what counts as next may differ. */
	if (wall_us >= e->expires_us || wall_us < e->made_us) {
		drop(cache, e);
		return NULL;
	}
	TAILQ_REMOVE(&cache->entries, e, link);
	TAILQ_INSERT_HEAD(&cache->entries, e, link);
	return body_ref(e->body);
}

/* Leaves b->gzip NULL when there is nothing to win. */
static void compress_body(struct body *b)
{
	int level = b->plain_len <= GZIP_SMALL_BYTES ? GZIP_SMALL_LEVEL : GZIP_LARGE_LEVEL;
	z_stream z = {0};
	char *out = NULL;
	uLong bound;

	if (b->plain_len < GZIP_WORTH_BYTES || b->plain_len > UINT32_MAX / 2)
		return;
	if (deflateInit2(&z, level, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return;
	bound = deflateBound(&z, b->plain_len);
	out = malloc(bound);
	z.next_in = (Bytef *)b->plain;
	z.avail_in = (uInt)b->plain_len;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)bound;
	if (out && deflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out < b->plain_len) {
		char *fitted = realloc(out, z.total_out);

		b->gzip = fitted ? fitted : out;
		b->gzip_len = z.total_out;
		out = NULL;
	}
	free(out);
	deflateEnd(&z);
}

static struct body *make_body(struct buf *plain, const char *type)
{
	struct body *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->refs = 1;
	b->type = type;
	b->plain = TAKE_PTR(plain->data);
	b->plain_len = plain->len;
	*plain = BUF_INIT;
	snprintf(b->etag, sizeof(b->etag), "\"%016llx-%zx\"",
		 (unsigned long long)hash_bytes(b->plain, b->plain_len), b->plain_len);
	compress_body(b);
	return b;
}

static void keep(struct body_cache *cache, struct entry *e)
{
	struct entry *last;

	TAILQ_INSERT_HEAD(&cache->entries, e, link);
	cache->bytes += entry_bytes(e);
	cache->count++;
	while ((cache->bytes > cache->max_bytes || cache->count > BODY_CACHE_ENTRIES) &&
	       (last = TAILQ_LAST(&cache->entries, entry_list)) != e)
		drop(cache, last);
}

struct body *body_cache_put(struct body_cache *cache, const void *key, size_t key_len,
			    struct buf *plain, const char *type, int64_t wall_us,
			    int64_t expires_us)
{
	struct entry *old = find(cache, key, key_len), *e;
	struct body *b = make_body(plain, type);

	if (!b)
		return NULL;
	if (old)
		drop(cache, old);
	if (b->plain_len + b->gzip_len > cache->max_bytes / 4)
		return b;
	e = malloc(sizeof(*e) + key_len);
	if (!e)
		return b;
	*e = (struct entry){.body = body_ref(b),
			    .made_us = wall_us,
			    .expires_us = expires_us,
			    .hash = hash_bytes(key, key_len),
			    .key_len = key_len};
	memcpy(e->key, key, key_len);
	keep(cache, e);
	return b;
}

size_t body_cache_bytes(const struct body_cache *cache)
{
	return cache->bytes;
}

size_t body_cache_count(const struct body_cache *cache)
{
	return cache->count;
}
