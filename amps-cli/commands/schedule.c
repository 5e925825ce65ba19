/* schedule.c - `amps schedule`: when scheduled channels start and end. */
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"
#include "amps-cli/term/lineup.h"
#include "amps-cli/term/view.h"

static const struct view_column COLUMNS[] = {
	{{.title = "ID", .right = true}, "id", format_text},
	{{.title = "NAME", .least = 12}, "name", format_text},
	{{.title = "STATE", .state = true}, "state", format_text},
	{{.title = "START"}, "start", format_text},
	{{.title = "END"}, "end", format_text},
};

static const struct view VIEW = {.method = "schedule",
				 .columns = COLUMNS,
				 .count = array_size(COLUMNS),
				 .empty = "no channel is scheduled"};

const struct command cmd_schedule = {
	.name = "schedule",
	.summary = "Show the scheduled channels, when each starts and ends",
	.detail = "\nAsks the running server.  If none runs, or with --config, it shows what the\n"
		  "file defines.  Times are UTC.",
	.options = {COMMAND_OPTION_CONFIG, COMMAND_OPTION_JSON, COMMAND_OPTION_SOCKET},
	.view = &VIEW,
	.run = lineup_show,
};
