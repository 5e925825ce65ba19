/* list_cache.h - long lists of channels as they were sent last, so that the next client that wants
 * the same gets the same file.
 *
 * Owned by the API, used in the database thread only.  All of it is of one generation of the
 * line-up: the first list of the next drops what was kept. */
#ifndef AMPS_LIST_CACHE_H
#define AMPS_LIST_CACHE_H

#include "amps-master/api/call.h"

struct list_entry {
	char *key;
	struct api_result result; /* with a file */
};

struct list_cache {
	uint64_t generation;
	struct list_entry entries[API_LISTS_MAX];
	size_t count, next; /* the entry that is replaced next */
};

void list_cache_done(struct list_cache *l);

/* Succeeds with what is kept of this generation for a request like this; false: it is not. */
must_check bool list_cache_answer(struct list_cache *l, uint64_t generation, struct api_call *c);

/* Keeps the file that the call has succeeded with, if it has; without memory it does not. */
void list_cache_keep(struct list_cache *l, uint64_t generation, const struct api_call *c);

#endif
