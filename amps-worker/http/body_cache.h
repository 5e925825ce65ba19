/* body_cache.h - a small LRU of rendered bodies, one a worker.
 *
 * The key holds everything a body depends on, so nothing is ever invalidated: what nobody asks for
 * any more falls out at the far end.  A body may also end with a moment of wall time.  Bounded in
 * bytes and entries (limits.h); a body larger than a quarter of the cache is made, sent and not
 * kept. */
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

/* Keeps a body (another reference) until `expires_us` (wall time, INT64_MAX = for good). */
void body_cache_keep(struct body_cache *cache, const void *key, size_t key_len, struct body *body,
		     int64_t wall_us, int64_t expires_us);

/* Makes and keeps a body in one go, which only suits small ones (else body_maker.h): takes the
 * bytes out of `plain` (empty afterwards), compresses them if that pays, names them by their
 * content (ETag).  Returns it with one reference for the caller, or NULL without memory. */
struct body *body_cache_put(struct body_cache *cache, const void *key, size_t key_len,
			    struct buf *plain, const char *type, int64_t wall_us,
			    int64_t expires_us);

/* Forgets the bodies that only the cache holds. */
void body_cache_drop_unused(struct body_cache *cache);

/* For tests and metrics. */
size_t body_cache_bytes(const struct body_cache *cache);
size_t body_cache_count(const struct body_cache *cache);

#endif
