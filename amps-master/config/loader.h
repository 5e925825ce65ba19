/* loader.h - the helper process that reads and checks the configuration file. */
#ifndef AMPS_LOADER_H
#define AMPS_LOADER_H

#include "amps-master/system/helper.h"

/* Starts `amps-master --load FILE`; `argv` as for spawn_child(), the rest as for helper_start().
 * The output is the result of load_command(): the written result, not the exit code, says whether
 * the file was refused, so -EIO is no failure of the loader. */
must_check int loader_start(struct helpers *hs, const char *const argv[],
			    void (*done)(void *owner, struct helper_result *result), void *owner,
			    struct helper **ret);

#endif
