/* reload.c - `amps reload`: the server reads its configuration again. */
#include <stdio.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"
#include "amps-cli/term/view.h"
#include "common/limits.h"
#include "common/text/text.h"

/* "  added    5  News" for each {id, name} of a list. */
static size_t print_changes(const json_t *report, const char *what)
{
	const json_t *list = json_object_get(report, what);
	const json_t *channel;
	size_t i;

	json_array_foreach (list, i, channel) {
		char id[FORMAT_MAX], name[FORMAT_MAX];
		_cleanup_(buf_done) struct buf line = BUF_INIT;

		format_text(json_object_get(channel, "name"), name);
		table_text_fit(name, FORMAT_MAX, &line);
		printf("%-8s  %s  %s\n", what, format_text(json_object_get(channel, "id"), id),
		       line.data != NULL ? line.data : "");
	}
	return json_array_size(list);
}

static void print_report(const json_t *report)
{
	size_t n = print_changes(report, "added");
	const json_t *warning;
	size_t i;

	n += print_changes(report, "changed");
	n += print_changes(report, "removed");
	json_array_foreach (json_object_get(report, "warnings"), i, warning)
		if (json_is_string(warning))
			fprintf(stderr, "warning: %s\n", json_string_value(warning));
	if (n == 0)
		printf("no channel changed\n");
}

/* The parameters of the request; NULL = none.  -EINVAL: an error was printed. */
static int read_params(const struct command_call *call, json_t **ret)
{
	bool discards = command_value(call, "discard-api-changes") != NULL;
	uint64_t id = 0;

	if (call->operand != NULL &&
	    (!discards || text_parse_u64(call->operand, CHANNEL_ID_MAX, &id) < 0)) {
		fprintf(stderr, discards ? "amps reload: ID is the id of a channel\n"
					 : "amps reload: ID needs --discard-api-changes\n");
		return -EINVAL;
	}
	if (discards)
		*ret = json_pack("{s:o}", "discard_api_changes",
				 call->operand != NULL ? json_integer((json_int_t)id)
						       : json_true());
	return 0;
}

static int run(const struct command_call *call)
{
	json_auto_t *report = NULL;
	json_t *params = NULL;
	/* longer than the server's own time-outs, even behind another reload: its error comes first
	 */
	int code = COMMAND_USAGE;

	if (read_params(call, &params) == 0)
		code = client_command_within(command_value(call, "socket"), "reload", params,
					     CONTROL_RELOAD_MS, &report);
	if (code == COMMAND_DONE) {
		if (command_value(call, "json") != NULL)
			view_print_json(report);
		else
			print_report(report);
	}
	return code;
}

const struct command cmd_reload = {
	.name = "reload",
	.operand = "[ID]",
	.summary = "Read the configuration again",
	.detail = "\nPrints the channels that were added, changed or removed, or every problem of\n"
		  "the file; with a problem the running configuration stays.  What was changed\n"
		  "through the API stays too, unless the entry has changed in the file;\n"
		  "--discard-api-changes drops it, for the channel ID or for all.",
	.options = {{"discard-api-changes", NULL, "bring the file's channels back"},
		    COMMAND_OPTION_JSON,
		    COMMAND_OPTION_SOCKET},
	.run = run,
};
