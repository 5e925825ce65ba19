/* lineup.h - what the running server knows of its channels, or a file where none runs. */
#ifndef AMPS_CLI_LINEUP_H
#define AMPS_CLI_LINEUP_H

#include <jansson.h>
#include "amps-cli/command.h"

/* Asks the server for `method`; with --config, or where no server runs and no --socket was given,
 * amps-master with `mode` for the file.  Returns an enum command_exit, complaints printed; *ret is
 * a new reference when that is COMMAND_DONE. */
must_check int lineup_ask(const struct command_call *call, const char *method, const char *mode,
			  json_t **ret);

#endif
