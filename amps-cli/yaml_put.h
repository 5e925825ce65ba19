/* yaml_put.h - texts as YAML that reads back as exactly the same text, in YAML 1.1 and 1.2. */
#ifndef AMPS_CLI_YAML_PUT_H
#define AMPS_CLI_YAML_PUT_H

#include "common/base.h"
#include "common/buf.h"

/* Appends the text (UTF-8 without NUL) in double quotes.  All that a reader could take for a line's
 * end, or must not meet unescaped (YAML 1.1, 5.1 and 5.4), is escaped. */
void yaml_put_quoted(struct buf *out, const char *text);

/* The same for a value of a configuration of Amps, where "${NAME}" means the environment. */
void yaml_put_value(struct buf *out, const char *text);

#endif
