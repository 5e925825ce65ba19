/* stop.c - `amps stop`: ends a tuner, or switches one of its variants off. */
#include "amps-cli/client.h"
#include "amps-cli/command.h"

static int run(const struct command_call *call)
{
	json_auto_t *result = NULL;

	return client_command(command_value(call, "socket"), "stop",
			      json_pack("{s:s}", "key", call->operand), &result);
}

const struct command cmd_stop = {
	.name = "stop",
	.operand = "ID[/VARIANT]",
	.summary = "End a tuner, or one of its variants",
	.detail = "\nThe streams of its viewers end; the next request starts it again.  The tuner\n"
		  "of one viewer (overlap=true) is ended by its key, as `amps tuners` shows it:\n"
		  "5#1.  A variant ends for its own viewers only.",
	.options = {COMMAND_OPTION_SOCKET},
	.run = run,
};
