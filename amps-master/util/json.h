/* json.h - reading values out of the model's trees, and whole trees out of a memfd.
 *
 * json_read_*() is pure: an `object` that is NULL or no object has no keys, and null counts as
 * absent everywhere. */
#ifndef AMPS_JSON_H
#define AMPS_JSON_H

#include <jansson.h>
#include "common/base.h"

/* A text or a number as text.  Borrowed from the tree, or from `scratch` for a number; NULL when
 * absent, empty or of another type. */
const char *json_read_text(const json_t *object, const char *key, char scratch[32]);

/* A whole or real number, cut to what fits; `absent` when it is none. */
uint32_t json_read_u32(const json_t *object, const char *key, uint32_t absent);

/* Seconds (fractions allowed) as milliseconds. */
uint32_t json_read_seconds_ms(const json_t *object, const char *key, uint32_t absent_ms);

bool json_read_bool(const json_t *object, const char *key, bool absent);

/* Is the key there with a value? */
bool json_read_has(const json_t *object, const char *key);

/* Does the array hold this string? */
bool json_read_lists(const json_t *array, const char *word);

/* jansson's own loading from a descriptor reads byte by byte, one system call each: seconds for a
 * line-up of ten thousand channels. */

/* The tree in the whole file, wherever its offset stands (which stays).  NULL: not JSON, or no
 * memory. */
json_t *json_fd_load(int fd);

/* Replaces the file's content by the tree, compact; the offset is then at its end.
 * 0, -ENOMEM or -Exxx. */
must_check int json_fd_save(int fd, const json_t *tree);

#endif
