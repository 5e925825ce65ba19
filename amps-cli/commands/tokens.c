/* tokens.c - `amps tokens`: who may watch; makes and revokes tokens. */
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"
#include "amps-cli/term/view.h"

#include <stdio.h>
#include <string.h>
#include "common/text/text.h"

static const struct view_column COLUMNS[] = {
	{{.title = "NAME", .least = 8}, "name", format_text},
	{{.title = "ROLE"}, "role", format_text},
	{{.title = "VIEWERS", .right = true}, "viewers", format_text},
	{{.title = "MOST", .right = true, .drop = 2}, "max_viewers", format_text},
	{{.title = "GROUPS", .least = 8, .drop = 3}, "groups", format_text},
	{{.title = "EXPIRES", .drop = 1}, "expires", format_time},
};

static const struct view VIEW = {
	.method = "tokens", .columns = COLUMNS, .count = array_size(COLUMNS), .empty = "no tokens"};

static int usage(const char *what, const char *word)
{
	fprintf(stderr, "amps tokens: %s%s%s\n", what, word ? ": " : "", word ? word : "");
	return COMMAND_USAGE;
}

/* "News,Sports" */
static json_t *split_groups(const char *list)
{
	json_t *groups = json_array();

	for (; *list; list += strspn(list, ",")) {
		size_t n = strcspn(list, ",");

		if (n)
			json_array_append_new(groups, json_stringn(list, n));
		list += n;
	}
	return groups;
}

static int create_token(const struct command_call *call)
{
	const char *role = command_value(call, "role"), *most = command_value(call, "max-viewers");
	const char *groups = command_value(call, "groups"),
		   *expires = command_value(call, "expires");
	json_auto_t *result = NULL;
	json_t *params;
	uint64_t count = 0;
	int code;

	if (most && text_parse_u64(most, INT32_MAX, &count) < 0)
		return usage("--max-viewers needs a number", most);
	params = json_pack("{s:s, s:s, s:I, s:o, s:s*}", "name", call->second, "role",
			   role ? role : "viewer", "max_viewers", (json_int_t)count, "groups",
			   groups ? split_groups(groups) : json_array(), "expires", expires);
	if (!params)
		return usage("NAME, --groups and --role must be UTF-8", NULL);
	code = client_command(command_value(call, "socket"), "token_create", params, &result);
	if (code != COMMAND_DONE)
		return code;
	if (command_value(call, "json")) {
		view_print_json(result);
		return code;
	}
	printf("%s\n", json_string_value(json_object_get(result, "token")));
	fprintf(stderr, "This token is shown only now; the server keeps its SHA-256.\n");
	return code;
}

static int revoke_token(const struct command_call *call)
{
	json_auto_t *result = NULL;
	json_t *params = json_pack("{s:s}", "name", call->second);

	if (!params)
		return usage("NAME must be UTF-8", NULL);
	return client_command(command_value(call, "socket"), "token_revoke", params, &result);
}

static int list(const struct command_call *call)
{
	json_auto_t *result = NULL;
	int code = client_command(command_value(call, "socket"), "tokens", NULL, &result);

	return code == COMMAND_DONE ? view_print(result, command_value(call, "json"), &VIEW) : code;
}

static int run(const struct command_call *call)
{
	const char *what = call->operand;

	if (!what)
		return list(call);
	if (strcmp(what, "create") != 0 && strcmp(what, "revoke") != 0)
		return usage("the argument is 'create NAME' or 'revoke NAME', not", what);
	if (!call->second)
		return usage("a name is needed behind", what);
	return what[0] == 'c' ? create_token(call) : revoke_token(call);
}

const struct command cmd_tokens = {
	.name = "tokens",
	.operand = "[create NAME|revoke NAME]",
	.two = true,
	.summary = "Show, make and revoke tokens",
	.detail = "\nWithout an argument it shows the tokens in force, without their secrets.\n"
		  "`create` prints the new token, which cannot be shown again.  A token of the\n"
		  "configuration file is revoked by removing it there.",
	.options = {{"role", "ROLE", "viewer (the default) or admin"},
		    {"groups", "A,B", "only channels of these groups"},
		    {"max-viewers", "N", "at most so many viewers at a time"},
		    {"expires", "TIME", "when it ends, such as 2027-01-01T00:00:00Z"},
		    COMMAND_OPTION_JSON,
		    COMMAND_OPTION_SOCKET},
	.run = run,
};
