/* program.h - becoming or asking amps-master, which lies beside `amps` or in ../libexec/amps. */
#ifndef AMPS_CLI_PROGRAM_H
#define AMPS_CLI_PROGRAM_H

#include "amps-cli/command.h"
#include "common/text/buf.h"

/* Becomes `amps-master [first] OPTIONS`, the given options of the call in their order.  Returns
 * only on failure: COMMAND_FAILED, with the complaint printed. */
must_check int program_become(const char *first, const struct command_call *call);

/* Runs `amps-master FIRST OPTIONS` with the call's --config alone and collects its stdout; its
 * stderr is ours.  COMMAND_DONE when it ended well. */
must_check int program_ask(const char *first, const struct command_call *call, struct buf *out);

#endif
