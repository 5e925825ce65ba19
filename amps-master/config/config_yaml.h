/* config_yaml.h - a YAML file as a jansson tree with line numbers.
 *
 * libyaml's events become objects, arrays and scalars of YAML 1.1.  An alias shares the node it
 * names, and `<<` merges mappings; the limit CONFIG_NODES_MAX counts both as if they were written
 * out.  ${NAME} is replaced in every value that is not under a `custom_ffmpeg` key.  Pure, except
 * that it reads the environment. */
#ifndef AMPS_CONFIG_YAML_H
#define AMPS_CONFIG_YAML_H

#include <jansson.h>
#include "amps-master/config/config_marks.h"
#include "amps-master/config/problems.h"

/* Parses `n` bytes; `file` is their name in problems.  0 and the tree, always an object ({} for an
 * empty file), with the line of each value in `marks`; -EINVAL after a problem was added;
 * -ENOMEM. */
must_check int config_yaml_parse(const char *file, const void *bytes, size_t n, struct marks *marks,
				 struct problems *problems, json_t **ret_tree);

#endif
