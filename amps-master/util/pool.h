/* pool.h - memory for many small things that live and die together.
 *
 * Its blocks come straight from the kernel, so that what a reload leaves behind has no holes and
 * goes back whole.  One owner, no lock; a pool may be filled by one thread and freed by another. */
#ifndef AMPS_POOL_H
#define AMPS_POOL_H

#include "common/base.h"

struct pool_block;

struct pool {
	struct pool_block *blocks; /* the one in use stands first */
	size_t used, size;	   /* bytes of that one */
	const char *last;	   /* of pool_text() */
};
#define POOL_INIT ((struct pool){0})

void pool_done(struct pool *p);

/* n zeroed bytes, aligned for any object; NULL without memory. */
void *pool_take(struct pool *p, size_t n);

/* A copy; the same text twice in a row is one.  NULL without memory. */
const char *pool_text(struct pool *p, const char *text);

#endif
