/* yaml_tree.h - a configuration as JSON, written as the YAML that people keep it in. */
#ifndef AMPS_CLI_YAML_TREE_H
#define AMPS_CLI_YAML_TREE_H

#include <jansson.h>
#include "common/base.h"
#include "common/buf.h"

/* Appends a mapping, a key a line.  Texts read back as they are: a "${" is written as "$${", except
 * in a custom_ffmpeg, where nothing is replaced. */
void yaml_put_tree(struct buf *out, const json_t *mapping);

#endif
