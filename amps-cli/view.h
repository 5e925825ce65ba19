/* view.h - an array of the server's objects as a table: which member stands in which column. */
#ifndef AMPS_CLI_VIEW_H
#define AMPS_CLI_VIEW_H

#include <jansson.h>
#include <stdio.h>
#include "amps-cli/table.h"

struct view_column {
	struct table_column column;
	const char *member;
	const char *(*format)(const json_t *value, char *dst); /* of format.h */
};

/* Prints the array as JSON, or as a table of these columns (with `empty` instead of a table without
 * rows).  Returns an enum command_exit; complains on stderr. */
must_check int view_print(const json_t *array, bool json, const struct view_column *columns,
			  size_t count, const char *empty);

/* Prints any value as indented JSON and a newline. */
void view_print_json(const json_t *value);

#endif
