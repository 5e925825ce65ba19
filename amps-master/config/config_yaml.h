/* config_yaml.h - a YAML file as a jansson tree with line numbers.
 *
 * libyaml's events become objects, arrays and scalars of YAML 1.1; aliases share the node they
 * name,
 * `<<` merges mappings, both counted as if they were written out (CONFIG_NODES_MAX).  ${NAME} is
 * replaced in every value but those under a `custom_ffmpeg` key.  Pure but for the environment. */
#ifndef AMPS_CONFIG_YAML_H
#define AMPS_CONFIG_YAML_H

#include <jansson.h>
#include "amps-master/config/config_marks.h"
#include "amps-master/config/problems.h"

/* Reads `n` bytes; `file` names them in problems.  0 and the tree, always an object ({} for an
 * empty file), with the places of its values in `marks`; -EINVAL after a problem was added;
 * -ENOMEM. */
must_check int config_yaml_parse(const char *file, const void *bytes, size_t n, struct marks *marks,
				 struct problems *problems, json_t **ret_tree);

#endif
