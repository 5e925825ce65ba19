/* config.c - `amps config export`: what the server runs with, as a configuration file. */
#include <stdio.h>
#include <string.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/term/view.h"
#include "amps-cli/yaml.h"

static int print_yaml(const json_t *config)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	int code = COMMAND_DONE;

	yaml_put_tree(&out, config);
	if (!buf_ok(&out)) {
		fprintf(stderr, "amps: out of memory\n");
		code = COMMAND_FAILED;
	} else if (out.len > 0) {
		fwrite(out.data, 1, out.len, stdout);
	}
	return code;
}

static int run(const struct command_call *call)
{
	json_auto_t *config = NULL;
	int code;

	if (strcmp(call->operand, "export") != 0) {
		fprintf(stderr, "amps config: the only argument is export, not %s\n",
			call->operand);
		return COMMAND_USAGE;
	}
	code = client_command(command_value(call, "socket"), "config", NULL, &config);
	if (code == COMMAND_DONE && command_value(call, "json") != NULL)
		view_print_json(config);
	else if (code == COMMAND_DONE)
		code = print_yaml(config);
	return code;
}

const struct command cmd_config = {
	.name = "config",
	.operand = "export",
	.summary = "Print the configuration that is in force",
	.detail = "\nIncludes defaults, changes made through the API, and schedules, as YAML that\n"
		  "`amps check` accepts.  It contains tokens and the credentials of sources.",
	.options = {{"json", NULL, "print JSON instead of YAML"}, COMMAND_OPTION_SOCKET},
	.run = run,
};
