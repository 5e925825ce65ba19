/* config_scalar.h - the value of an unquoted YAML word (YAML 1.1, as PyYAML reads it), and ${NAME}.
 * Pure, except that it reads the environment. */
#ifndef AMPS_CONFIG_SCALAR_H
#define AMPS_CONFIG_SCALAR_H

#include <jansson.h>
#include "common/base.h"
#include "common/text/buf.h"

/* null, true/false/yes/no/on/off, whole numbers (decimal, 0x, 0b, octal with a leading 0, with
 * underscores), numbers with a dot; everything else, times and base-60 numbers too, is text.
 * A new reference; NULL if the text is not valid UTF-8 or without memory. */
json_t *config_scalar_plain(const char *text);

/* Appends `text` to `out` with ${NAME} replaced by the environment's value and $${ by ${.
 * 0; -ENOENT: the variable `name` is not set; -EINVAL: "${" without a name and "}" after it. */
must_check int config_scalar_expand(const char *text, struct buf *out, char name[64]);

#endif
