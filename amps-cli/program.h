/* program.h - runs amps-master and amps-helper, which are beside `amps` or in ../libexec/amps. */
#ifndef AMPS_CLI_PROGRAM_H
#define AMPS_CLI_PROGRAM_H

#include "amps-cli/command.h"
#include "common/text/buf.h"

/* Becomes (execve) `amps-master [first] OPTIONS`, with the given options of the call.  Returns only
 * on failure: COMMAND_FAILED, with the error printed. */
must_check int program_become(const char *first, const struct command_call *call);

/* Runs `amps-master FIRST` with the call's --config, if any, and appends its stdout to `out`; its
 * stderr is the command's.  COMMAND_DONE when its exit code is 0. */
must_check int program_ask(const char *first, const struct command_call *call, struct buf *out);

/* Fetches the document at a URL with amps-helper.  0 and a file in memory that holds it, or -Exxx
 * and the reason in one line. */
must_check int program_fetch(const char *url, int *ret_fd, char *reason, size_t cap);

#endif
