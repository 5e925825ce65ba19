/* link.c - `amps link`: a signed link to one channel. */
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/term/view.h"

#include <stdio.h>

static int run(const struct command_call *call)
{
	json_auto_t *result = NULL;
	json_t *params;
	int code;

	if (!command_value(call, "channel")) {
		fprintf(stderr, "amps link: --channel is needed\n");
		return COMMAND_USAGE;
	}
	params = json_pack("{s:s, s:s*, s:s*, s:s*}", "channel", command_value(call, "channel"),
			   "ttl", command_value(call, "ttl"), "ip", command_value(call, "ip"),
			   "region", command_value(call, "region"));
	code = client_command(command_value(call, "socket"), "link", params, &result);
	if (code != COMMAND_DONE)
		return code;
	if (command_value(call, "json"))
		view_print_json(result);
	else
		printf("%s\n", json_string_value(json_object_get(result, "url")));
	return code;
}

const struct command cmd_link = {
	.name = "link",
	.summary = "Print a signed link to a channel",
	.detail = "\nIt needs no token, holds for the time given, and is for one channel only.\n"
		  "What follows its question mark also opens the channel's other addresses.",
	.options = {{"channel", "ID", "the channel"},
		    {"ttl", "TIME", "how long it holds: 30m, 4h (the default), 7d"},
		    {"ip", "ADDRESS", "only for this client"},
		    {"region", "CC", "the region of its viewers"},
		    COMMAND_OPTION_JSON,
		    COMMAND_OPTION_SOCKET},
	.run = run,
};
