/* watch.h - a view shown once, or with --watch anew every second.
 *
 * On a terminal --watch redraws in place, like top, until q, Ctrl-C or a signal that ends it, and
 * gives the terminal back as it was (Ctrl-Z included).  Anywhere else, and with --json, it prints
 * one answer after the other. */
#ifndef AMPS_CLI_WATCH_H
#define AMPS_CLI_WATCH_H

#include "amps-cli/command.h"
#include "amps-cli/term/view.h"

/* For commands with --json, --watch and --socket.  Returns an enum command_exit. */
must_check int watch_run(const struct command_call *call, const struct view *view);

#endif
