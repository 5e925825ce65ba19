/* pool.h - memory for many small objects that are freed together.
 *
 * Its blocks are mapped directly, so that freeing a pool returns all of its memory to the kernel
 * instead of leaving holes in the heap.  One owner, no lock; one thread may fill a pool and another
 * free it. */
#ifndef AMPS_POOL_H
#define AMPS_POOL_H

#include "common/base.h"

struct pool_block;

struct pool {
	struct pool_block *blocks; /* the first is the one in use */
	size_t used, size;	   /* bytes of that block */
	const char *last;	   /* the last copy of pool_text() */
};
#define POOL_INIT ((struct pool){0})

void pool_done(struct pool *p);

/* n zeroed bytes, aligned for any object; NULL without memory. */
void *pool_take(struct pool *p, size_t n);

/* A copy of `text`; a repeated call with the same text returns the same copy.  NULL without
 * memory. */
const char *pool_text(struct pool *p, const char *text);

#endif
