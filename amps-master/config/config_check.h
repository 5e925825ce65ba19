/* config_check.h - validates a configuration tree: the result is the model or problems.  Pure. */
#ifndef AMPS_CONFIG_CHECK_H
#define AMPS_CONFIG_CHECK_H

#include <jansson.h>
#include "amps-master/config/config_marks.h"
#include "amps-master/config/config_options.h"
#include "amps-master/config/problems.h"

#define WELL_KNOWN_TOKEN "changeme123" /* published with the older Amps */

/* Checks a whole configuration.  `file` and `marks` (may be NULL) give the places of problems.
 * Every option list is added to `asks` (NULL: none is collected), even if there are errors, so that
 * one run also finds wrong option names.
 * 0 and the model of model.h, owned by the caller; -EINVAL if `problems` has errors, including
 * those from before the call; -ENOMEM. */
must_check int config_check(json_t *tree, const char *file, const struct marks *marks,
			    struct option_asks *asks, struct problems *problems,
			    json_t **ret_model);

/* Checks one channel by the same rules: an entry of `streams`, or of `scheduled_streams` if it has
 * a schedule.  `profiles`: those of the model.  The paths of problems begin with `path`, "" for an
 * entry alone.  Results as above, with the entry as the model has it; -EINVAL also for a schedule
 * that leaves the entry out. */
must_check int config_check_channel(json_t *entry, const char *path, const json_t *profiles,
				    struct option_asks *asks, struct problems *problems,
				    json_t **ret_entry);

/* Checks a token that the API is to make: an entry of auth.tokens that has a name and no token.
 * Results as above. */
must_check int config_check_token(json_t *entry, struct problems *problems, json_t **ret_entry);

#endif
