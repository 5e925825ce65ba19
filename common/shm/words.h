/* words.h - copies, word by word, of memory that another process or thread may be writing.
 *
 * For slots guarded by a counter.  The reader discards a torn copy, but in C11 a plain copy is
 * still a race.  Each word is ordered: a release store stays behind the counter's "being written",
 * an acquire load stays before the counter's second reading.  So no fence is needed, and the thread
 * sanitizer, which does not know fences, sees the order. */
#ifndef AMPS_WORDS_H
#define AMPS_WORDS_H

#include <assert.h>
#include "common/base.h"

/* A word of any object; both sides 4-byte aligned, `bytes` a multiple of 4. */
typedef uint32_t __attribute__((may_alias)) shared_word;

/* Private memory -> shared memory. */
static inline void words_store(void *shared, const void *from, size_t bytes)
{
	shared_word *d = shared;
	const shared_word *s = from;

	assert((uintptr_t)shared % sizeof(*d) == 0 && bytes % sizeof(*d) == 0);
	for (size_t i = 0; i < bytes / sizeof(*d); i++)
		__atomic_store_n(&d[i], s[i], __ATOMIC_RELEASE);
}

/* Shared memory -> private memory. */
static inline void words_load(void *to, const void *shared, size_t bytes)
{
	shared_word *d = to;
	const shared_word *s = shared;

	assert((uintptr_t)shared % sizeof(*s) == 0 && bytes % sizeof(*s) == 0);
	for (size_t i = 0; i < bytes / sizeof(*d); i++)
		d[i] = __atomic_load_n(&s[i], __ATOMIC_ACQUIRE);
}

#endif
