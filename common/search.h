/* search.h - the place of a key in a sorted array. */
#ifndef AMPS_SEARCH_H
#define AMPS_SEARCH_H

#include "common/base.h"

/* The index of the first element that is not before the key, or `count`.  The arguments are those
 * of bsearch(), which finds any element that is equal. */
static inline size_t search_first(const void *key, const void *list, size_t count, size_t size,
				  int (*compare)(const void *key, const void *element))
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(key, (const char *)list + middle * size) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#endif
