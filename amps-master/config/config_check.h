/* config_check.h - the one validator: a tree becomes the model or a list of problems.  Pure. */
#ifndef AMPS_CONFIG_CHECK_H
#define AMPS_CONFIG_CHECK_H

#include <jansson.h>
#include "amps-master/config/config_marks.h"
#include "amps-master/config/config_options.h"
#include "amps-master/config/problems.h"

/* Checks a whole configuration.  `marks` gives the lines and may be NULL; `file` names them.  Every
 * option list is added to `asks` (NULL: none is collected), also when there are errors, so that
 * option names are judged in the same run.
 * 0 and the model of model.h, the caller's; -EINVAL when `problems` has errors, older ones too;
 * -ENOMEM. */
must_check int config_check(json_t *tree, const char *file, const struct marks *marks,
			    struct option_asks *asks, struct problems *problems,
			    json_t **ret_model);

#endif
