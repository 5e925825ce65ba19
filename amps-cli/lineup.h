/* lineup.h - the channels of the running server, or of a file where no server runs. */
#ifndef AMPS_CLI_LINEUP_H
#define AMPS_CLI_LINEUP_H

#include <jansson.h>
#include "amps-cli/command.h"

/* Asks the server for `method`.  With --config, or if no server runs and no --socket was given,
 * asks amps-master with `mode` for the file.  Returns an enum command_exit, with errors printed;
 * *ret is a new reference when that is COMMAND_DONE. */
must_check int lineup_ask(const struct command_call *call, const char *method, const char *mode,
			  json_t **ret);

#endif
