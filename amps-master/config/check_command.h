/* check_command.h - the short-lived modes of amps-master that read a configuration. */
#ifndef AMPS_CHECK_COMMAND_H
#define AMPS_CHECK_COMMAND_H

#include "amps-master/config/serve_options.h"
#include "common/base.h"

/* `amps-master --check [--config FILE] [--json] [--strict]`: prints every problem, or a line of
 * counts.  Returns the exit code: 0 good (warnings alone too), 1 errors (with --strict warnings
 * too), 2 wrong usage. */
int check_command(int argc, char **argv);

/* `amps-master --load FILE`: writes
 * {"problems":[...],"errors":N,"warnings":N,"model":{...},"options":"..."} into result_fd: no model
 * when the file is refused, the model with the other options laid over it, `options` when there is
 * something new to remember (option_memory.h).  Returns the exit code: 0, 1 refused or result_fd
 * not writable. */
int load_command(const struct serve_options *o, int result_fd);

#endif
