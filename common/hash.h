/* hash.h - a fixed 64-bit hash (FNV-1a with a final mix) that shows whether something changed.
 *
 * The same bytes give the same value on every machine and in every version: it is stored in the
 * database.  Not for security: collisions can be constructed. */
#ifndef AMPS_HASH_H
#define AMPS_HASH_H

#include <string.h>
#include "common/base.h"

#define HASH_START 0xcbf29ce484222325ull

/* Adds n bytes to `state`, which is HASH_START at first. */
uint64_t hash_bytes(uint64_t state, const void *bytes, size_t n);

/* Adds a text with its NUL, so that "ab","c" differs from "a","bc"; NULL differs from "". */
uint64_t hash_text(uint64_t state, const char *text);

uint64_t hash_u64(uint64_t state, uint64_t value);

/* The value to store or compare. */
uint64_t hash_end(uint64_t state);

#endif
