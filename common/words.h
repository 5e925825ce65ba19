/* words.h - copying what another process or thread may be writing, word by word.
 *
 * For slots guarded by a counter: the reader throws a torn copy away, yet C11 calls a plain copy a
 * race.  The order of every single word is what makes the counter work: a release store keeps the
 * counter's earlier "being written" before it, an acquire load keeps the counter's second reading
 * behind it, so no fence is needed (and ThreadSanitizer, which knows no fences, sees all). */
#ifndef AMPS_WORDS_H
#define AMPS_WORDS_H

#include "common/base.h"

/* A word of any object; both sides 4-byte aligned, `bytes` a multiple of 4. */
typedef uint32_t __attribute__((may_alias)) shared_word;

/* Private memory -> shared memory. */
static inline void words_store(void *shared, const void *from, size_t bytes)
{
	shared_word *d = shared;
	const shared_word *s = from;

	for (size_t i = 0; i < bytes / sizeof(*d); i++)
		__atomic_store_n(&d[i], s[i], __ATOMIC_RELEASE);
}

/* Shared memory -> private memory. */
static inline void words_load(void *to, const void *shared, size_t bytes)
{
	shared_word *d = to;
	const shared_word *s = shared;

	for (size_t i = 0; i < bytes / sizeof(*d); i++)
		d[i] = __atomic_load_n(&s[i], __ATOMIC_ACQUIRE);
}

#endif
