/* json_read.h - single values out of the model's trees.  Pure; a NULL or other than object `object`
 * has no keys.  null counts as absent everywhere. */
#ifndef AMPS_JSON_READ_H
#define AMPS_JSON_READ_H

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

#endif
