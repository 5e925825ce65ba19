/* status.c - `amps status`: the server in a few lines, its workers as a table, and where to go
 * next. */
#include <stdio.h>
#include <string.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"
#include "amps-cli/term/view.h"

static const struct view_column WORKER_COLUMNS[] = {
	{{.title = "WORKER", .right = true}, "index", format_text},
	{{.title = "STATE", .state = true}, "state", format_text},
	{{.title = "PID", .right = true}, "pid", format_text},
	{{.title = "VIEWERS", .right = true}, "viewers", format_text},
	{{.title = "RESTARTS", .right = true}, "restarts", format_text},
};

static const struct view WORKERS = {.method = "status",
				    .columns = WORKER_COLUMNS,
				    .count = array_size(WORKER_COLUMNS),
				    .empty = "no worker is running"};

/* Members that this version does not know are printed too: units are in their names. */
static const char *format_member(const char *name, const json_t *value, char *dst)
{
	size_t len = strlen(name);

	if (json_is_array(value)) {
		snprintf(dst, FORMAT_MAX, "%zu", json_array_size(value));
		return dst;
	}
	if (len > 8 && strcmp(name + len - 8, "_seconds") == 0)
		return format_duration(value, dst);
	if (strncmp(name, "bytes_", 6) == 0 || (len > 6 && strcmp(name + len - 6, "_bytes") == 0))
		return format_bytes(value, dst);
	if (len > 4 && strcmp(name + len - 4, "_bps") == 0)
		return format_bitrate(value, dst);
	if (strcmp(name, "started") == 0)
		return format_time(value, dst);
	return format_text(value, dst);
}

static void print_next(void)
{
	puts("\n`amps vlc --print` prints the address for players, with the token. Channels are in "
	     "the file\nthat `config` names (man amps.yaml); `amps reload` reads it again.");
}

static int print_status(json_t *status)
{
	const json_t *workers = json_object_get(status, "workers");
	const char *name;
	json_t *value;
	int code;

	json_object_foreach (status, name, value) {
		char text[FORMAT_MAX];
		_cleanup_(buf_done) struct buf line = BUF_INIT;

		table_text_fit(format_member(name, value, text), FORMAT_MAX, &line);
		printf("%-16s  %s\n", name, line.len > 0 ? line.data : "-");
	}
	if (!json_is_array(workers))
		return COMMAND_DONE;
	putchar('\n');
	code = view_print(workers, false, &WORKERS);
	if (code == COMMAND_DONE)
		print_next();
	return code;
}

static int run(const struct command_call *call)
{
	json_auto_t *status = NULL;
	int code = client_command(command_value(call, "socket"), "status", NULL, &status);

	if (code == COMMAND_DONE) {
		if (command_value(call, "json") != NULL)
			view_print_json(status);
		else
			code = print_status(status);
	}
	return code;
}

const struct command cmd_status = {
	.name = "status",
	.summary = "Show the server's state",
	.options = {COMMAND_OPTION_JSON, COMMAND_OPTION_SOCKET},
	.run = run,
};
