/* hash.h - a fixed 64-bit hash (FNV-1a with a final mix) that says "this changed".
 *
 * The same bytes give the same value on every machine and in every version: it is stored in the
 * database.  It guards nothing: no adversary gains by a collision. */
#ifndef AMPS_HASH_H
#define AMPS_HASH_H

#include <string.h>
#include "common/base.h"

#define HASH_START 0xcbf29ce484222325ull

/* Goes on from `state` (HASH_START at first) with n more bytes. */
uint64_t hash_bytes(uint64_t state, const void *bytes, size_t n);

/* Goes on with a text and its end, so that "ab","c" is not "a","bc"; NULL differs from "". */
uint64_t hash_text(uint64_t state, const char *text);

uint64_t hash_u64(uint64_t state, uint64_t value);

/* The value to keep or compare. */
uint64_t hash_end(uint64_t state);

#endif
