/* config_check.h - validates a configuration tree: the result is the model or problems.  Pure. */
#ifndef AMPS_CONFIG_CHECK_H
#define AMPS_CONFIG_CHECK_H

#include <jansson.h>
#include "amps-master/config/config_marks.h"
#include "amps-master/config/config_options.h"
#include "amps-master/config/problems.h"

/* Checks a whole configuration.  `file` and `marks` (may be NULL) give the places of problems.
 * Every option list is added to `asks` (NULL: none is collected), even if there are errors, so that
 * one run also finds wrong option names.
 * 0 and the model of model.h, owned by the caller; -EINVAL if `problems` has errors, including
 * those from before the call; -ENOMEM. */
must_check int config_check(json_t *tree, const char *file, const struct marks *marks,
			    struct option_asks *asks, struct problems *problems,
			    json_t **ret_model);

#endif
