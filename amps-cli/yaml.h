/* yaml.h - texts and configurations written as YAML that reads back as exactly the same values, in
 * YAML 1.1 and 1.2. */
#ifndef AMPS_CLI_YAML_H
#define AMPS_CLI_YAML_H

#include <jansson.h>
#include "common/base.h"
#include "common/text/buf.h"

/* Appends the text (UTF-8 without NUL) in double quotes.  Escapes every character that a reader
 * could take for the end of a line or must not meet unescaped (YAML 1.1, 5.1 and 5.4). */
void yaml_put_quoted(struct buf *out, const char *text);

/* The same for a value of Amps' configuration: a "${", which there names an environment variable,
 * is written as "$${". */
void yaml_put_value(struct buf *out, const char *text);

/* Appends a configuration, one key a line.  Texts are written as values, except in custom_ffmpeg,
 * where no variable is replaced. */
void yaml_put_tree(struct buf *out, const json_t *mapping);

#endif
