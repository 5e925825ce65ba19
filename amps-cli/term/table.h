/* table.h - rows and columns for people: aligned, shortened to the terminal's width, coloured only
 * where asked.
 *
 * Widths are display columns (wide characters count two).  What comes from outside (names, user
 * agents, errors) may hold anything: control characters are shown as '?', so that no channel name
 * can drive the terminal. */
#ifndef AMPS_CLI_TABLE_H
#define AMPS_CLI_TABLE_H

#include <stdio.h>
#include "common/base.h"
#include "common/text/buf.h"

#define TABLE_COLUMNS_MAX 16

struct table_column {
	const char *title;
	bool right;	/* numbers stand at the right */
	bool state;	/* coloured by its word */
	unsigned least; /* may be shortened down to this; 0 = never shortened */
	unsigned drop;	/* where shortening is not enough, columns go by the highest; 0 = stays */
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

/* Columns of the terminal behind the stream, 0 if it is none.  $COLUMNS stands over what the
 * terminal says. */
unsigned table_terminal_width(FILE *stream);

/* Is the stream a terminal that wants colours?  Not with NO_COLOR (https://no-color.org) or a
 * TERM of "dumb". */
bool table_terminal_color(FILE *stream);

#endif
