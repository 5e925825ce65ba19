/* table.h - tables for the terminal: aligned, shortened to its width, coloured on request.
 *
 * Widths are display columns (wide characters count two).  Control characters in texts from outside
 * (names, user agents, errors) are shown as '?', so that they cannot control the terminal. */
#ifndef AMPS_CLI_TABLE_H
#define AMPS_CLI_TABLE_H

#include <stdio.h>
#include "common/base.h"
#include "common/text/buf.h"

#define TABLE_COLUMNS_MAX 16

struct table_column {
	const char *title;
	bool right;	/* aligned right, for numbers */
	bool state;	/* a state, coloured by its value */
	unsigned least; /* may be shortened down to this; 0 = never shortened */
	unsigned drop;	/* columns are dropped, the highest first, if shortening is not enough; 0 =
			   never */
};

struct table;

/* `columns` is borrowed for the table's life; at most TABLE_COLUMNS_MAX.  NULL: no memory. */
struct table *table_new(const struct table_column *columns, size_t count);
struct table *table_free(struct table *t); /* returns NULL; accepts NULL */

/* Adds a row; copies the cells.  A NULL or empty cell shows as "-".  0 or -ENOMEM. */
must_check int table_add(struct table *t, const char *const cells[]);

/* Appends the table to `out`; width 0 = unlimited.  Never adds spaces at a line's end. */
void table_format(const struct table *t, unsigned width, bool color, struct buf *out);

/* Display columns of a text after cleaning. */
unsigned table_text_width(const char *text);

/* Appends the text cleaned and cut to `width` columns, the last one "…" when something is cut. */
void table_text_fit(const char *text, unsigned width, struct buf *out);

/* Columns of the terminal behind the stream, 0 if it is not a terminal.  $COLUMNS overrides the
 * terminal's size. */
unsigned table_terminal_width(FILE *stream);

/* True if the stream is a terminal with colours: not with NO_COLOR (https://no-color.org) or a TERM
 * of "dumb". */
bool table_terminal_color(FILE *stream);

#endif
