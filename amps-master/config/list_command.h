/* list_command.h - the short-lived modes of amps-master behind `amps list` and `amps schedule`
 * where no server runs. */
#ifndef AMPS_LIST_COMMAND_H
#define AMPS_LIST_COMMAND_H

#include "common/base.h"

/* `amps-master --list [--config FILE]`: prints the file's channels as a JSON array of lineup.h's
 * form, scheduled ones included; with --schedule the scheduled ones in lineup_schedule_add()'s
 * form.  A refused file: its problems on stderr.  Returns the exit code: 0, 1 refused, 2 wrong
 * usage. */
int list_command(int argc, char **argv);

#endif
