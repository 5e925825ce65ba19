/* view.h - shows an array of the server's objects as a table: which member is in which column. */
#ifndef AMPS_CLI_VIEW_H
#define AMPS_CLI_VIEW_H

#include <jansson.h>
#include <stdio.h>
#include "amps-cli/term/table.h"

struct view_column {
	struct table_column column;
	const char *member;
	const char *(*format)(const json_t *value, char *dst); /* of format.h */
};

/* How the server's answer to `method` is shown. */
struct view {
	const char *method;
	const struct view_column *columns;
	size_t count;
	const char *empty;  /* instead of a table without rows */
	bool last_optional; /* the last column is left out if the first object lacks its member */
};

/* Appends the array as a table for this width (0 = unlimited).  0, -EINVAL (no array), -ENOMEM. */
must_check int view_format(const json_t *array, const struct view *view, unsigned width, bool color,
			   struct buf *out);

/* Prints the array as JSON or as a table.  Returns an enum command_exit; reports errors on
 * stderr. */
must_check int view_print(const json_t *array, bool json, const struct view *view);

/* Prints any value as indented JSON and a newline. */
void view_print_json(const json_t *value);

#endif
