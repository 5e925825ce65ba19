/* cmd_list.c - `amps list`: the channels of the running server, or of a file where none runs. */
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/format.h"
#include "amps-cli/program.h"
#include "amps-cli/view.h"

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

/* The file's channels have no state. */
static int list_file(const struct command_call *call, json_t **ret)
{
	struct buf out = BUF_INIT;
	int code = program_ask("--list", call, &out);

	if (code == COMMAND_DONE) {
		*ret = json_loadb(out.data != NULL ? out.data : "", out.len, 0, NULL);
		if (*ret == NULL)
			code = COMMAND_FAILED;
	}
	buf_done(&out);
	return code;
}

static bool has_states(const json_t *channels)
{
	return json_object_get(json_array_get(channels, 0), "state") != NULL;
}

static int list_server(const struct command_call *call, json_t **ret)
{
	const char *socket = command_value(call, "socket");
	struct client client;
	int r;

	if (command_value(call, "config") != NULL)
		return list_file(call, ret);
	r = client_open(&client, socket);
	client_close(&client);
	if (socket == NULL && (r == -ENOENT || r == -ECONNREFUSED))
		return list_file(call, ret);
	return client_command(socket, "list", NULL, ret);
}

static int run(const struct command_call *call)
{
	json_t *channels = NULL;
	int code = list_server(call, &channels);

	/* the last column is the state, which only a server knows */
	if (code == COMMAND_DONE)
		code = view_print(channels, command_value(call, "json") != NULL, COLUMNS,
				  array_size(COLUMNS) - !has_states(channels), "no channels");
	json_decref(channels);
	return code;
}

const struct command cmd_list = {
	.name = "list",
	.summary = "Show the channels",
	.detail =
		"\nAsks the running server; where none runs, or with --config, it shows what the\n"
		"file defines (without a state).",
	.options = {COMMAND_OPTION_CONFIG, COMMAND_OPTION_SOCKET, COMMAND_OPTION_JSON},
	.run = run,
};
