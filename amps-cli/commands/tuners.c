/* tuners.c - `amps tuners`: the running tuners. */
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"
#include "amps-cli/term/watch.h"

static const struct view_column COLUMNS[] = {
	{{.title = "CHANNEL"}, "key", format_text},
	{{.title = "STATE", .state = true}, "state", format_text},
	{{.title = "PID", .right = true, .drop = 1}, "pid", format_text},
	{{.title = "VARIANTS", .least = 8, .drop = 7}, "variants", format_text},
	{{.title = "VIEWERS", .right = true}, "viewers", format_text},
	{{.title = "STARTED", .drop = 9}, "started", format_time},
	{{.title = "UPTIME", .right = true, .drop = 2}, "uptime_seconds", format_duration},
	{{.title = "IN", .right = true, .drop = 4}, "bitrate_in", format_bitrate},
	{{.title = "OUT", .right = true, .drop = 8}, "bitrate_out", format_bitrate},
	{{.title = "RESTARTS", .right = true, .drop = 3}, "restarts", format_text},
	{{.title = "CPU", .right = true, .drop = 5}, "cpu_seconds", format_seconds},
	{{.title = "MEMORY", .right = true, .drop = 6}, "memory_bytes", format_bytes},
	{{.title = "SOURCE", .least = 12, .drop = 10}, "source", format_text},
	{{.title = "LAST ERROR", .least = 12}, "last_error", format_text},
};

static const struct view VIEW = {.method = "tuners",
				 .columns = COLUMNS,
				 .count = array_size(COLUMNS),
				 .empty = "no tuner is running"};

const struct command cmd_tuners = {
	.name = "tuners",
	.summary = "Show the running tuners",
	.detail = "\n--watch repeats every second: on a terminal in place, until q or Ctrl-C is\n"
		  "pressed; elsewhere, and with --json, one answer after the other.",
	.options = {COMMAND_OPTION_JSON, COMMAND_OPTION_WATCH, COMMAND_OPTION_SOCKET},
	.view = &VIEW,
	.run = watch_run,
};
