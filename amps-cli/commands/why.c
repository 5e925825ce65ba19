/* why.c - `amps why`: what is wrong with a channel. */
#include <stdio.h>

#include "amps-cli/client.h"
#include "amps-cli/command.h"

static void print_list(const char *title, const json_t *list, const char *none)
{
	size_t i;
	json_t *line;

	printf("%s\n", title);
	json_array_foreach (list, i, line)
		printf("  %s\n", json_string_value(line));
	if (json_array_size(list) == 0)
		printf("  %s\n", none);
}

static int run(const struct command_call *call)
{
	json_auto_t *result = NULL;
	int code = client_command(command_value(call, "socket"), "why",
				  json_pack("{s:s}", "key", call->operand), &result);

	if (code != COMMAND_DONE)
		return code;
	if (command_value(call, "json") != NULL) {
		json_dumpf(result, stdout, JSON_INDENT(2));
		putchar('\n');
		return COMMAND_DONE;
	}
	print_list("now:", json_object_get(result, "now"), "nothing");
	print_list("in the last hour:", json_object_get(result, "last_hour"), "nothing went wrong");
	return COMMAND_DONE;
}

const struct command cmd_why = {
	.name = "why",
	.operand = "CHANNEL[/VARIANT]",
	.summary = "Say what is wrong with a channel",
	.detail = "\nNow and in the last hour, for each of its sources.",
	.options = {COMMAND_OPTION_JSON, COMMAND_OPTION_SOCKET},
	.run = run,
};
