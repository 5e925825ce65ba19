/* json.h - reads values from the model's trees, and whole trees from a memfd.
 *
 * json_read_*() are pure.  A NULL `object`, or one of another type, has no keys; a null value
 * counts as absent. */
#ifndef AMPS_JSON_H
#define AMPS_JSON_H

#include <jansson.h>
#include "common/base.h"

/* A text or a number as text.  Borrowed from the tree, or from `scratch` for a number; NULL when
 * absent, empty or of another type. */
const char *json_read_text(const json_t *object, const char *key, char scratch[32]);

/* A whole or real number, limited to the range of uint32_t; `absent` when it is not a number. */
uint32_t json_read_u32(const json_t *object, const char *key, uint32_t absent);

/* Seconds (fractions allowed) as milliseconds. */
uint32_t json_read_seconds_ms(const json_t *object, const char *key, uint32_t absent_ms);

bool json_read_bool(const json_t *object, const char *key, bool absent);

/* True if the key has a value other than null. */
bool json_read_has(const json_t *object, const char *key);

/* True if the array contains this string. */
bool json_read_lists(const json_t *array, const char *word);

/* Parses the whole file; its offset is neither used nor changed.  NULL: not JSON, or no memory.
 * (json_loadfd() makes one system call per byte, which takes seconds for ten thousand channels.) */
json_t *json_fd_load(int fd);

/* Replaces the file's content with the tree, in compact form; the offset is then at its end.
 * 0, -ENOMEM or -Exxx. */
must_check int json_fd_save(int fd, const json_t *tree);

#endif
