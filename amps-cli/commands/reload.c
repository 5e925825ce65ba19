/* reload.c - `amps reload`: the server reads its configuration again. */
#include <stdio.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"
#include "amps-cli/term/view.h"
#include "common/limits.h"

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

static int run(const struct command_call *call)
{
	json_auto_t *report = NULL;
	/* longer than the server's own time-outs, even behind another reload: its error comes first
	 */
	int code = client_command_within(command_value(call, "socket"), "reload", NULL,
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
	.summary = "Read the configuration again",
	.detail = "\nPrints the channels that were added, changed or removed, or every problem of\n"
		  "the file; with a problem the running configuration stays.",
	.options = {COMMAND_OPTION_JSON, COMMAND_OPTION_SOCKET},
	.run = run,
};
