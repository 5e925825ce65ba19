#include "amps-master/config/problems.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "common/limits.h"

#define TEXT_MAX 1024

int problems_init(struct problems *p)
{
	*p = (struct problems){.list = json_array()};
	return p->list != NULL ? 0 : -ENOMEM;
}

void problems_done(struct problems *p)
{
	json_decref(p->list);
	*p = (struct problems){0};
}

/* Replaces control characters: a problem must be printed as one line. */
static json_t *one_line(const char *text)
{
	json_t *string;
	char *copy = strdup(text);

	for (char *c = copy; c != NULL && *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	}
	/* if the text was cut inside a UTF-8 character, remove the rest of that character */
	string = copy != NULL ? json_string(copy) : NULL;
	for (size_t n = copy != NULL ? strlen(copy) : 0, i = 0; string == NULL && i < 4 && i < n;
	     i++)
		string = json_stringn(copy, n - i - 1);
	free(copy);
	return string != NULL ? string : json_string("(not readable)");
}

void problems_add(struct problems *p, enum problem_severity severity, const char *file, int line,
		  const char *path, const char *format, ...)
{
	char text[TEXT_MAX];
	json_t *problem;
	unsigned *count = severity == PROBLEM_ERROR ? &p->errors : &p->warnings;
	va_list args;

	assert(p->list != NULL);
	/* a limit for each severity, so that warnings cannot hide an error */
	if (++*count > CONFIG_PROBLEMS_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	problem = json_pack("{s:s, s:o, s:i, s:o, s:o}", "severity",
			    severity == PROBLEM_ERROR ? "error" : "warning", "file", one_line(file),
			    "line", line, "path", one_line(path), "message", one_line(text));
	/* without memory only the counters report the problem */
	(void)json_array_append_new(p->list, problem);
}

void problems_format(const struct problems *p, struct buf *out)
{
	size_t i, all = (size_t)p->errors + p->warnings;
	json_t *each;

	assert(json_array_size(p->list) <= all);
	json_array_foreach (p->list, i, each) {
		const char *path = json_string_value(json_object_get(each, "path"));
		const char *severity = json_string_value(json_object_get(each, "severity"));
		int line = (int)json_integer_value(json_object_get(each, "line"));

		buf_puts(out, json_string_value(json_object_get(each, "file")));
		if (line > 0)
			buf_printf(out, ":%d", line);
		buf_printf(out, ": %s%s%s%s\n", path, *path != '\0' ? ": " : "",
			   strcmp(severity, "warning") == 0 ? "warning: " : "",
			   json_string_value(json_object_get(each, "message")));
	}
	if (all > json_array_size(p->list))
		buf_printf(out, "... and %zu more\n", all - json_array_size(p->list));
}

void problems_print(const struct problems *p, FILE *to)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT;

	problems_format(p, &text);
	if (text.len > 0)
		fwrite(text.data, 1, text.len, to);
}

/* A problem with what it is sorted by. */
struct ranked {
	json_t *problem;
	json_int_t line;
	size_t position;
};

static int compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->position < y->position ? -1 : 1;
}

void problems_sort(struct problems *p)
{
	size_t n = json_array_size(p->list);
	_cleanup_(freep) struct ranked *ranks = calloc(n + 1, sizeof(*ranks));

	if (ranks == NULL)
		return;
	for (size_t i = 0; i < n; i++) {
		json_t *problem = json_incref(json_array_get(p->list, i));

		ranks[i] = (struct ranked){problem,
					   json_integer_value(json_object_get(problem, "line")), i};
	}
	qsort(ranks, n, sizeof(*ranks), compare);
	for (size_t i = 0; i < n; i++)
		(void)json_array_set_new(p->list, i, ranks[i].problem);
}
