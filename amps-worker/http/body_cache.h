/* body_cache.h - a small LRU of rendered bodies, one per worker.
 *
 * The key contains everything a body depends on, so no entry is ever invalidated: the one that was
 * not used for longest is dropped.  A body may also expire at a wall time.  Bounded in bytes and
 * entries (limits.h); a body larger than a quarter of the cache is made and sent, but not kept. */
#ifndef AMPS_BODY_CACHE_H
#define AMPS_BODY_CACHE_H

#include "amps-worker/http/body.h"
#include "common/text/buf.h"

struct body_cache;

struct body_cache *body_cache_new(size_t max_bytes); /* NULL: no memory */
void body_cache_free(struct body_cache *cache);	     /* bodies in use live on; accepts NULL */

/* The body made for this key, with one reference for the caller, or NULL. */
struct body *body_cache_get(struct body_cache *cache, const void *key, size_t key_len,
			    int64_t wall_us);

/* Keeps a body (with a reference of its own) until `expires_us` (wall time, INT64_MAX = never). */
void body_cache_keep(struct body_cache *cache, const void *key, size_t key_len, struct body *body,
		     int64_t wall_us, int64_t expires_us);

/* Makes and keeps a small body (large ones: body_maker.h): takes the bytes out of `plain` (empty
 * afterwards), compresses them if that pays, and sets an ETag from their content.  Returns it with
 * one reference for the caller, or NULL without memory. */
struct body *body_cache_put(struct body_cache *cache, const void *key, size_t key_len,
			    struct buf *plain, const char *type, int64_t wall_us,
			    int64_t expires_us);

/* The body of a constant text, kept under its name; NULL without memory. */
struct body *body_cache_text(struct body_cache *cache, const char *name, const char *text,
			     const char *type, int64_t wall_us);

/* Drops the bodies that only the cache holds. */
void body_cache_drop_unused(struct body_cache *cache);

/* For tests. */
size_t body_cache_bytes(const struct body_cache *cache);
size_t body_cache_count(const struct body_cache *cache);

#endif
