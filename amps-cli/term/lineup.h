/* lineup.h - the channels of the running server, or of a file where no server runs. */
#ifndef AMPS_CLI_LINEUP_H
#define AMPS_CLI_LINEUP_H

#include "amps-cli/command.h"

/* Shows the command's view, for commands with --config, --json and --socket.  Asks the server for
 * the view's method.  With --config, or if no server runs and no --socket was given, asks
 * amps-master for the file's.  Returns an enum command_exit, with errors printed. */
must_check int lineup_show(const struct command_call *call);

#endif
