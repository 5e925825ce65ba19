/* list_command.h - the modes of amps-master that `amps list` and `amps schedule` run when there is
 * no server. */
#ifndef AMPS_LIST_COMMAND_H
#define AMPS_LIST_COMMAND_H

#include "common/base.h"

/* `amps-master --list [--config FILE]`: prints the file's channels, including scheduled ones, as a
 * JSON array in the form of lineup_channels(); with --schedule only the scheduled ones, in the form
 * of lineup_schedule_add().  If the file is refused, prints its problems to stderr.  Returns the
 * exit code: 0, 1 refused, 2 wrong usage. */
int list_command(int argc, char **argv);

#endif
