#include "amps-cli/term/view.h"

#include <assert.h>
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"

void view_print_json(const json_t *value)
{
	(void)!json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	fputc('\n', stdout);
}

/* The columns that this array, which has a row, gets. */
static size_t column_count(const json_t *array, const struct view *view)
{
	const char *last = view->columns[view->count - 1].member;
	bool absent = json_object_get(json_array_get(array, 0), last) == NULL;

	return view->count - (view->last_optional && absent);
}

static int add_row(struct table *t, const json_t *object, const struct view_column *columns,
		   size_t count)
{
	char text[TABLE_COLUMNS_MAX][FORMAT_MAX];
	const char *cells[TABLE_COLUMNS_MAX];

	assert(count <= TABLE_COLUMNS_MAX);
	for (size_t i = 0; i < count; i++)
		cells[i] = columns[i].format(json_object_get(object, columns[i].member), text[i]);
	return table_add(t, cells);
}

static int format_table(const json_t *array, const struct view *view, unsigned width, bool color,
			struct buf *out)
{
	struct table_column shapes[TABLE_COLUMNS_MAX];
	size_t count = column_count(array, view), i;
	const json_t *object;
	struct table *t;
	int r = -ENOMEM;

	assert(count > 0 && count <= TABLE_COLUMNS_MAX);
	for (i = 0; i < count; i++)
		shapes[i] = view->columns[i].column;
	t = table_new(shapes, count);
	if (t != NULL) {
		r = 0;
		json_array_foreach (array, i, object)
			if (r == 0)
				r = add_row(t, object, view->columns, count);
		if (r == 0)
			table_format(t, width, color, out);
	}
	table_free(t);
	return r;
}

int view_format(const json_t *array, const struct view *view, unsigned width, bool color,
		struct buf *out)
{
	int r = 0;

	if (!json_is_array(array))
		return -EINVAL;
	if (json_array_size(array) == 0)
		buf_printf(out, "%s\n", view->empty);
	else
		r = format_table(array, view, width, color, out);
	return r == 0 && !buf_ok(out) ? -ENOMEM : r;
}

int view_print(const json_t *array, bool json, const struct view *view)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	int r;

	if (json && json_is_array(array)) {
		view_print_json(array);
		return COMMAND_DONE;
	}
	r = view_format(array, view, table_terminal_width(stdout), table_terminal_color(stdout),
			&out);
	if (r == 0)
		fwrite(out.data, 1, out.len, stdout);
	else
		fprintf(stderr, "amps: %s\n",
			r == -EINVAL ? "the server's answer is not a list" : "out of memory");
	return r == 0 ? COMMAND_DONE : COMMAND_FAILED;
}
