/* kick.c - `amps kick`: ends one viewer's connection. */
#include "amps-cli/client.h"
#include "amps-cli/command.h"

#include <stdio.h>
#include "common/text/text.h"

static int run(const struct command_call *call)
{
	json_auto_t *result = NULL;
	uint64_t id;
	int code;

	if (text_parse_u64(call->operand, INT64_MAX, &id) < 0) {
		fprintf(stderr, "amps kick: a viewer is a number of `amps viewers`: %s\n",
			call->operand);
		return COMMAND_USAGE;
	}
	code = client_command(command_value(call, "socket"), "kick",
			      json_pack("{s:I}", "viewer", (json_int_t)id), &result);
	return code;
}

const struct command cmd_kick = {
	.name = "kick",
	.operand = "VIEWER",
	.summary = "End a viewer's connection",
	.detail = "\nVIEWER is the id that `amps viewers` shows.",
	.options = {COMMAND_OPTION_SOCKET},
	.run = run,
};
