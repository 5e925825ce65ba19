/* watch.h - shows a view once, or every second with --watch.
 *
 * On a terminal --watch redraws in place, like top, until q, Ctrl-C or a signal ends it, and
 * restores the terminal (also for Ctrl-Z).  Elsewhere, and with --json, it prints one answer after
 * the other. */
#ifndef AMPS_CLI_WATCH_H
#define AMPS_CLI_WATCH_H

#include "amps-cli/command.h"
#include "amps-cli/term/view.h"

/* Shows the command's view, for commands with --json, --watch and --socket.  Returns an enum
 * command_exit. */
must_check int watch_run(const struct command_call *call);

#endif
