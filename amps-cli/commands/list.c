/* list.c - `amps list`: the channels of the running server, or of a file where none runs. */
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"
#include "amps-cli/term/lineup.h"
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

/* The state exists only in a server's answer. */
static const struct view VIEW = {.method = "list",
				 .columns = COLUMNS,
				 .count = array_size(COLUMNS),
				 .empty = "no channels",
				 .last_optional = true};

const struct command cmd_list = {
	.name = "list",
	.summary = "Show the channels",
	.detail = "\nAsks the running server.  If none runs, or with --config, it shows what the\n"
		  "file defines (without a state).",
	.options = {COMMAND_OPTION_CONFIG, COMMAND_OPTION_SOCKET, COMMAND_OPTION_JSON},
	.view = &VIEW,
	.run = lineup_show,
};
