#include "amps-cli/lineup.h"

#include "amps-cli/client.h"
#include "amps-cli/program.h"

static int ask_file(const struct command_call *call, const char *mode, json_t **ret)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	int code = program_ask(mode, call, &out);

	if (code == COMMAND_DONE) {
		*ret = json_loadb(out.data != NULL ? out.data : "", out.len, 0, NULL);
		if (*ret == NULL)
			code = COMMAND_FAILED;
	}
	return code;
}

int lineup_ask(const struct command_call *call, const char *method, const char *mode, json_t **ret)
{
	const char *socket = command_value(call, "socket");
	struct client client;
	int r;

	if (command_value(call, "config") != NULL)
		return ask_file(call, mode, ret);
	r = client_open(&client, socket);
	client_close(&client);
	if (socket == NULL && (r == -ENOENT || r == -ECONNREFUSED))
		return ask_file(call, mode, ret);
	return client_command(socket, method, NULL, ret);
}
