/* check_command.h - the modes of amps-master that only read and check a configuration. */
#ifndef AMPS_CHECK_COMMAND_H
#define AMPS_CHECK_COMMAND_H

#include "amps-master/config/serve_options.h"
#include "common/base.h"

/* `amps-master --check [--config FILE] [--json] [--strict]`: prints every problem and, without
 * errors, a line of counts.  Returns the exit code: 0 no errors; 1 errors, or warnings with
 * --strict; 2 wrong usage. */
int check_command(int argc, char **argv);

/* `amps-master --load FILE`: writes
 * {"problems":[...],"errors":N,"warnings":N,"model":{...},"options":"..."} to result_fd.  The model
 * contains the values of the command line; it is absent if the file is refused.  `options` is
 * present if option_memory.h has something new to store.  Returns the exit code: 0, or 1 if the
 * file is refused or result_fd cannot be written. */
int load_command(const struct serve_options *o, int result_fd);

#endif
