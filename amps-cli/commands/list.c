/* list.c - `amps list`: the channels of the running server, or of a file where none runs. */
#include "amps-cli/client.h"
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

static const struct view_column NOW[] = {
	{{.title = "ID", .right = true}, "id", format_text},
	{{.title = "NAME", .least = 12}, "name", format_text},
	{{.title = "NOW", .least = 12}, "now", format_text},
	{{.title = "UNTIL", .drop = 2}, "until", format_text},
	{{.title = "NEXT", .least = 12}, "next", format_text},
	{{.title = "START", .drop = 1}, "start", format_text},
};
static const struct view NOW_VIEW = {
	.method = "list_now", .columns = NOW, .count = array_size(NOW), .empty = "no channels"};

/* Only a running server knows what is on. */
static int show_now(const struct command_call *call)
{
	json_auto_t *answer = NULL;
	int code = client_command(command_value(call, "socket"), NOW_VIEW.method, NULL, &answer);

	return code == COMMAND_DONE
		       ? view_print(answer, command_value(call, "json") != NULL, &NOW_VIEW)
		       : code;
}

static int run(const struct command_call *call)
{
	return command_value(call, "now") != NULL ? show_now(call) : lineup_show(call);
}

const struct command cmd_list = {
	.name = "list",
	.summary = "Show the channels",
	.detail = "\nAsks the running server.  If none runs, or with --config, it shows what the\n"
		  "file defines (without a state).",
	.options = {{"now", NULL, "show what is on, and what is next; asks the server"},
		    COMMAND_OPTION_CONFIG,
		    COMMAND_OPTION_SOCKET,
		    COMMAND_OPTION_JSON},
	.view = &VIEW,
	.run = run,
};
