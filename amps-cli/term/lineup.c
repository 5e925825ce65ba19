#include "amps-cli/term/lineup.h"

#include <assert.h>
#include <stdio.h>

#include "amps-cli/client.h"
#include "amps-cli/program.h"
#include "amps-cli/term/view.h"

static int ask_file(const struct command_call *call, json_t **ret)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	char mode[32];
	int n = snprintf(mode, sizeof(mode), "--%s", call->command->view->method);
	int code = program_ask(mode, call, &out);

	assert(n > 0 && (size_t)n < sizeof(mode));
	if (code == COMMAND_DONE) {
		*ret = json_loadb(out.data != NULL ? out.data : "", out.len, 0, NULL);
		if (*ret == NULL)
			code = COMMAND_FAILED;
	}
	return code;
}

static int ask(const struct command_call *call, json_t **ret)
{
	const char *socket = command_value(call, "socket");
	struct client client;
	int r;

	if (command_value(call, "config") != NULL)
		return ask_file(call, ret);
	r = client_open(&client, socket);
	client_close(&client);
	if (socket == NULL && (r == -ENOENT || r == -ECONNREFUSED))
		return ask_file(call, ret);
	return client_command(socket, call->command->view->method, NULL, ret);
}

int lineup_show(const struct command_call *call)
{
	json_auto_t *entries = NULL;
	int code = ask(call, &entries);

	if (code == COMMAND_DONE)
		code = view_print(entries, command_value(call, "json") != NULL,
				  call->command->view);
	return code;
}
