/* cmd_tuners.c - `amps tuners`: what runs at the moment. */
#include <time.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/format.h"
#include "amps-cli/view.h"

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

static int show(const struct command_call *call)
{
	json_t *tuners = NULL;
	int code = client_command(command_value(call, "socket"), "tuners", NULL, &tuners);

	if (code == COMMAND_DONE)
		code = view_print(tuners, command_value(call, "json") != NULL, COLUMNS,
				  array_size(COLUMNS), "no tuner is running");
	json_decref(tuners);
	return code;
}

static int watch(const struct command_call *call)
{
	const struct timespec second = {.tv_sec = 1};

	for (;;) {
		int code;

		if (table_terminal_width(stdout) > 0)
			fputs("\033[H\033[2J", stdout);
		code = show(call);
		if (code != COMMAND_DONE)
			return code;
		if (fflush(stdout) != 0)
			return COMMAND_FAILED;
		nanosleep(&second, NULL);
	}
}

static int run(const struct command_call *call)
{
	return command_value(call, "watch") != NULL ? watch(call) : show(call);
}

const struct command cmd_tuners = {
	.name = "tuners",
	.summary = "Show the running tuners",
	.options = {COMMAND_OPTION_JSON,
		    {"watch", NULL, "show them anew every second"},
		    COMMAND_OPTION_SOCKET},
	.run = run,
};
