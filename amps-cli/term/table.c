#include "amps-cli/term/table.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>
#include "common/text/text.h"

#define GAP	  2
#define WIDTH_MAX 10000

struct table {
	const struct table_column *columns;
	size_t column_count;
	char **cells; /* row after row */
	size_t row_count;
	size_t row_cap;
};

/* How a table is laid out for one width. */
struct layout {
	unsigned width[TABLE_COLUMNS_MAX];
	bool shown[TABLE_COLUMNS_MAX];
};

struct table *table_new(const struct table_column *columns, size_t count)
{
	struct table *t = calloc(1, sizeof(*t));

	assert(count > 0 && count <= TABLE_COLUMNS_MAX);
	if (t == NULL)
		return NULL;
	t->columns = columns;
	t->column_count = count;
	return t;
}

struct table *table_free(struct table *t)
{
	if (t == NULL)
		return NULL;
	for (size_t i = 0; i < t->row_count * t->column_count; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
	return NULL;
}

static int grow(struct table *t)
{
	size_t cap = t->row_cap > 0 ? t->row_cap * 2 : 16;
	char **cells;

	if (t->row_count < t->row_cap)
		return 0;
	cells = reallocarray(t->cells, cap * t->column_count, sizeof(*cells));
	if (cells == NULL)
		return -ENOMEM;
	t->cells = cells;
	t->row_cap = cap;
	return 0;
}

int table_add(struct table *t, const char *const cells[])
{
	char **row;

	if (grow(t) < 0)
		return -ENOMEM;
	row = t->cells + t->row_count * t->column_count;
	for (size_t i = 0; i < t->column_count; i++) {
		bool empty = cells[i] == NULL || cells[i][0] == '\0';

		row[i] = strdup(empty ? "-" : cells[i]);
		if (row[i] == NULL) {
			while (i > 0)
				free(row[--i]);
			return -ENOMEM;
		}
	}
	t->row_count++;
	assert(t->row_count <= t->row_cap);
	return 0;
}

/* The next character of *text as shown, *ret_width wide; moves *text behind it. */
static wchar_t next_char(const char **text, mbstate_t *state, unsigned *ret_width)
{
	wchar_t c;
	size_t n = mbrtowc(&c, *text, strlen(*text), state);
	int width;

	if (n == 0 || n == (size_t)-1 || n == (size_t)-2) {
		memset(state, 0, sizeof(*state));
		*text += 1;
		*ret_width = 1;
		return L'?';
	}
	*text += n;
	width = wcwidth(c);
	*ret_width = width < 0 ? 1 : (unsigned)width;
	return width < 0 ? L'?' : c;
}

unsigned table_text_width(const char *text)
{
	mbstate_t state = {0};
	unsigned total = 0, width;

	while (*text != '\0') {
		next_char(&text, &state, &width);
		total += width;
	}
	return total;
}

static void put_char(struct buf *out, wchar_t c)
{
	char bytes[MB_LEN_MAX];
	mbstate_t state = {0};
	size_t n = wcrtomb(bytes, c, &state);

	if (n == (size_t)-1)
		buf_putc(out, '?');
	else
		buf_add(out, bytes, n);
}

void table_text_fit(const char *text, unsigned width, struct buf *out)
{
	bool cut = table_text_width(text) > width;
	unsigned room = cut && width > 0 ? width - 1 : width;
	mbstate_t state = {0};
	unsigned used = 0, w;

	while (*text != '\0') {
		wchar_t c = next_char(&text, &state, &w);

		if (used + w > room)
			break;
		put_char(out, c);
		used += w;
	}
	if (!cut || width == 0)
		return;
	put_char(out, L'…');
	/* a wide character may have left one column free */
	assert(used < width);
	while (++used < width)
		buf_putc(out, ' ');
}

static void natural_widths(const struct table *t, struct layout *l)
{
	for (size_t c = 0; c < t->column_count; c++) {
		l->shown[c] = true;
		l->width[c] = table_text_width(t->columns[c].title);
		for (size_t r = 0; r < t->row_count; r++) {
			unsigned w = table_text_width(t->cells[r * t->column_count + c]);

			l->width[c] = MAX(l->width[c], w);
		}
	}
}

static unsigned total_width(const struct table *t, const struct layout *l)
{
	unsigned total = 0;

	for (size_t c = 0; c < t->column_count; c++)
		if (l->shown[c])
			total += l->width[c] + (total > 0 ? GAP : 0);
	return total;
}

/* Shortens the widest column that may be shortened by one; false when there is none. */
static bool shorten(const struct table *t, struct layout *l)
{
	size_t best = t->column_count;

	for (size_t c = 0; c < t->column_count; c++) {
		const struct table_column *column = &t->columns[c];

		if (!l->shown[c] || column->least == 0 || l->width[c] <= column->least)
			continue;
		if (best == t->column_count || l->width[c] > l->width[best])
			best = c;
	}
	if (best == t->column_count)
		return false;
	assert(l->width[best] > t->columns[best].least);
	l->width[best]--;
	return true;
}

/* Hides the shown column with the highest `drop`; false when there is none. */
static bool hide(const struct table *t, struct layout *l)
{
	size_t best = t->column_count;

	for (size_t c = 0; c < t->column_count; c++) {
		if (!l->shown[c] || t->columns[c].drop == 0)
			continue;
		if (best == t->column_count || t->columns[c].drop > t->columns[best].drop)
			best = c;
	}
	if (best == t->column_count)
		return false;
	l->shown[best] = false;
	return true;
}

static void fit(const struct table *t, unsigned width, struct layout *l)
{
	struct layout natural;

	natural_widths(t, l);
	natural = *l;
	while (width > 0 && total_width(t, l) > width) {
		if (shorten(t, l))
			continue;
		if (!hide(t, l))
			return;
		assert(total_width(t, l) < total_width(t, &natural));
		/* the others get the space of the hidden column */
		memcpy(l->width, natural.width, sizeof(l->width));
	}
}

static const char *state_color(const char *state)
{
	if (strcmp(state, "running") == 0)
		return "\033[32m";
	if (strcmp(state, "failed") == 0)
		return "\033[31m";
	if (strcmp(state, "idle") == 0 || strcmp(state, "ended") == 0 || strcmp(state, "-") == 0)
		return "\033[2m";
	return "\033[33m";
}

static void pad(struct buf *out, unsigned n)
{
	while (n-- > 0)
		buf_putc(out, ' ');
}

/* One cell; `style` is an escape sequence or NULL; a last left-aligned cell gets no padding. */
static void put_cell(const struct table_column *column, const char *text, unsigned width,
		     const char *style, bool last, struct buf *out)
{
	unsigned natural = table_text_width(text);
	unsigned space = natural < width ? width - natural : 0;

	if (column->right)
		pad(out, space);
	if (style != NULL)
		buf_puts(out, style);
	table_text_fit(text, width, out);
	if (style != NULL)
		buf_puts(out, "\033[0m");
	if (!column->right && !last)
		pad(out, space);
}

static size_t last_shown(const struct table *t, const struct layout *l)
{
	size_t last = 0;

	for (size_t c = 0; c < t->column_count; c++)
		if (l->shown[c])
			last = c;
	return last;
}

/* `cells` NULL = the titles. */
static void put_row(const struct table *t, const struct layout *l, char *const *cells, bool color,
		    struct buf *out)
{
	size_t last = last_shown(t, l);
	bool first = true;

	assert(l->shown[last]);
	for (size_t c = 0; c <= last && c < t->column_count; c++) {
		const struct table_column *column = &t->columns[c];
		const char *text = cells != NULL ? cells[c] : column->title;
		const char *style = NULL;

		if (!l->shown[c])
			continue;
		if (color)
			style = cells == NULL	? "\033[1m"
				: column->state ? state_color(text)
						: NULL;
		if (!first)
			pad(out, GAP);
		put_cell(column, text, l->width[c], style, c == last, out);
		first = false;
	}
	buf_putc(out, '\n');
}

void table_format(const struct table *t, unsigned width, bool color, struct buf *out)
{
	struct layout l;

	assert(t->row_count <= t->row_cap);
	fit(t, width, &l);
	put_row(t, &l, NULL, color, out);
	for (size_t r = 0; r < t->row_count; r++)
		put_row(t, &l, t->cells + r * t->column_count, color, out);
}

unsigned table_terminal_width(FILE *stream)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = {0};
	uint64_t wanted;
	int fd = fileno(stream);

	if (!isatty(fd))
		return 0;
	if (columns != NULL && text_parse_u64(columns, WIDTH_MAX, &wanted) == 0 && wanted > 0)
		return (unsigned)wanted;
	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

bool table_terminal_color(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(fileno(stream)) && (no_color == NULL || no_color[0] == '\0') &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}
