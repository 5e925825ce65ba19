/* list.c - `amps list`: the channels of the running server, or of a file where none runs. */
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"
#include "amps-cli/lineup.h"
#include "amps-cli/term/view.h"

static const struct view_column COLUMNS[] = {
	{{.title = "ID", .right = true}, "id", format_text},
	{{.title = "NO", .right = true, .drop = 3}, "number", format_text},
	{{.title = "NAME", .least = 12}, "name", format_text},
	{{.title = "GROUP", .least = 8, .drop = 4}, "group", format_text},
	{{.title = "PROFILE", .least = 8, .drop = 2}, "profile", format_text},
	{{.title = "OUTPUT", .drop = 1}, "output", format_text},
	{{.title = "VARIANTS", .least = 8, .drop = 5}, "variants", format_text},
	{{.title = "STATE", .state = true}, "state", format_text},
};

/* The last column, the state, exists only in a server's answer. */
static const struct view VIEW = {"list", COLUMNS, array_size(COLUMNS) - 1, "no channels"};
static const struct view WITH_STATE = {"list", COLUMNS, array_size(COLUMNS), "no channels"};

static bool has_states(const json_t *channels)
{
	return json_object_get(json_array_get(channels, 0), "state") != NULL;
}

static int run(const struct command_call *call)
{
	json_auto_t *channels = NULL;
	int code = lineup_ask(call, "list", "--list", &channels);

	if (code == COMMAND_DONE)
		code = view_print(channels, command_value(call, "json") != NULL,
				  has_states(channels) ? &WITH_STATE : &VIEW);
	return code;
}

const struct command cmd_list = {
	.name = "list",
	.summary = "Show the channels",
	.detail = "\nAsks the running server.  If none runs, or with --config, it shows what the\n"
		  "file defines (without a state).",
	.options = {COMMAND_OPTION_CONFIG, COMMAND_OPTION_SOCKET, COMMAND_OPTION_JSON},
	.run = run,
};
