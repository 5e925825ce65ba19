#include "amps-cli/view.h"

#include "amps-cli/command.h"
#include "amps-cli/format.h"

void view_print_json(const json_t *value)
{
	(void)!json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	fputc('\n', stdout);
}

static int add_row(struct table *t, const json_t *object, const struct view_column *columns,
		   size_t count)
{
	char text[TABLE_COLUMNS_MAX][FORMAT_MAX];
	const char *cells[TABLE_COLUMNS_MAX];

	for (size_t i = 0; i < count; i++)
		cells[i] = columns[i].format(json_object_get(object, columns[i].member), text[i]);
	return table_add(t, cells);
}

static int print_table(const json_t *array, const struct view_column *columns, size_t count)
{
	struct table_column shapes[TABLE_COLUMNS_MAX];
	const json_t *object;
	struct table *t;
	int r = -ENOMEM;
	size_t i;

	for (i = 0; i < count; i++)
		shapes[i] = columns[i].column;
	t = table_new(shapes, count);
	if (t != NULL) {
		r = 0;
		json_array_foreach (array, i, object)
			if (r == 0)
				r = add_row(t, object, columns, count);
		if (r == 0)
			r = table_print(t, stdout);
	}
	table_free(t);
	return r;
}

int view_print(const json_t *array, bool json, const struct view_column *columns, size_t count,
	       const char *empty)
{
	if (!json_is_array(array)) {
		fprintf(stderr, "amps: the server's answer is no list\n");
		return COMMAND_FAILED;
	}
	if (json) {
		view_print_json(array);
		return COMMAND_DONE;
	}
	if (json_array_size(array) == 0) {
		printf("%s\n", empty);
		return COMMAND_DONE;
	}
	if (print_table(array, columns, count) < 0) {
		fprintf(stderr, "amps: out of memory\n");
		return COMMAND_FAILED;
	}
	return COMMAND_DONE;
}
