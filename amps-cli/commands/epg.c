/* epg.c - `amps epg`: the guides that are imported, and what of them matched. */
#include <stdio.h>
#include <string.h>

#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"
#include "amps-cli/term/view.h"

static const struct view_column SOURCES[] = {
	{{.title = "SOURCE", .least = 16}, "source", format_text},
	{{.title = "STATE", .state = true}, "state", format_text},
	{{.title = "FETCHED"}, "fetched", format_text},
	{{.title = "NEXT", .drop = 3}, "next", format_text},
	{{.title = "CHANNELS", .right = true, .drop = 2}, "channels", format_text},
	{{.title = "MATCHED", .right = true}, "matched", format_text},
	{{.title = "PROGRAMMES", .right = true, .drop = 1}, "programmes", format_text},
	{{.title = "ERROR", .least = 12, .drop = 4}, "error", format_text},
};
static const struct view SOURCES_VIEW = {.method = "epg",
					 .columns = SOURCES,
					 .count = array_size(SOURCES),
					 .empty = "no guide is imported (epg.sources)"};

/* The names of the suggestions. */
static const char *format_names(const json_t *value, char *dst)
{
	const json_t *item;
	size_t i, n = 0;

	dst[0] = '\0';
	json_array_foreach (value, i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		int m = snprintf(dst + n, FORMAT_MAX - n, "%s%s", i > 0 ? ", " : "",
				 name != NULL ? name : "");

		n += MIN((size_t)MAX(m, 0), FORMAT_MAX - 1 - n);
	}
	return dst;
}

static const struct view_column MATCHES[] = {
	{{.title = "ID", .right = true}, "id", format_text},
	{{.title = "NAME", .least = 12}, "name", format_text},
	{{.title = "HOW"}, "how", format_text},
	{{.title = "GUIDE ID", .least = 8}, "channel", format_text},
	{{.title = "GUIDE NAME", .least = 8, .drop = 2}, "channel_name", format_text},
	{{.title = "SOURCE", .least = 12, .drop = 3}, "source", format_text},
	{{.title = "SUGGESTIONS", .least = 12, .drop = 1}, "suggestions", format_names},
};
static const struct view MATCHES_VIEW = {.method = "epg_match",
					 .columns = MATCHES,
					 .count = array_size(MATCHES),
					 .empty = "no channels"};

static int show(const struct command_call *call, const struct view *view)
{
	json_auto_t *answer = NULL;
	int code = client_command(command_value(call, "socket"), view->method, NULL, &answer);

	return code == COMMAND_DONE ? view_print(answer, command_value(call, "json") != NULL, view)
				    : code;
}

static int run(const struct command_call *call)
{
	json_auto_t *answer = NULL;

	if (call->operand == NULL)
		return show(call, &SOURCES_VIEW);
	if (strcmp(call->operand, "match") == 0)
		return show(call, &MATCHES_VIEW);
	if (strcmp(call->operand, "refresh") == 0)
		return client_command(command_value(call, "socket"), "epg_refresh", NULL, &answer);
	fprintf(stderr, "amps epg: '%s' is neither match nor refresh\n", call->operand);
	return COMMAND_USAGE;
}

const struct command cmd_epg = {
	.name = "epg",
	.operand = "[match|refresh]",
	.summary = "Show the imported guides, and what matched",
	.detail =
		"\nWithout an operand: each guide of epg.sources, when it was fetched, and why\n"
		"the last try failed.  match: which channel of a guide belongs to which channel,\n"
		"by what (id, name), and what could belong to those without one; an ambiguous\n"
		"name matches nothing.  refresh: fetches all guides now.",
	.options = {COMMAND_OPTION_JSON, COMMAND_OPTION_SOCKET},
	.run = run,
};
