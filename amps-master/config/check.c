#include "amps-master/config/check.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-master/lineup/options_list.h"
#include "common/limits.h"
#include "common/text/text.h"

#define MESSAGE_MAX 512

struct spot check_root(json_t *tree)
{
	return (struct spot){.value = tree, .line = 1};
}

/* A value that is not in the file (an absent key, the mapping that a short form stands for) gets
 * the line of the value around it. */
static struct spot enter(struct check *c, json_t *parent, json_t *value, struct mark mark)
{
	struct spot at = {.value = value,
			  .parent = parent,
			  .line = mark.line > 0 ? mark.line : c->line,
			  .raw = mark.raw,
			  .path_len = c->path.len,
			  .outer_line = c->line};

	c->line = at.line;
	return at;
}

struct spot check_enter_key(struct check *c, json_t *parent, const char *key)
{
	struct spot at =
		enter(c, parent, json_object_get(parent, key), marks_key(c->marks, parent, key));

	if (c->path.len > 0)
		buf_putc(&c->path, '.');
	buf_puts(&c->path, key);
	return at;
}

struct spot check_enter_index(struct check *c, json_t *parent, size_t index)
{
	struct spot at = enter(c, parent, json_array_get(parent, index),
			       marks_index(c->marks, parent, index));

	buf_printf(&c->path, "[%zu]", index);
	return at;
}

void check_leave(struct check *c, const struct spot *at)
{
	c->line = at->outer_line;
	if (!buf_ok(&c->path))
		return;
	assert(at->path_len <= c->path.len); /* left in the reverse order of entering */
	c->path.len = at->path_len;
	c->path.data[c->path.len] = '\0';
}

json_t *check_add(struct check *c, const struct spot *at, enum problem_severity severity,
		  const char *format, ...)
{
	char text[MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	problems_add(c->problems, severity, c->file, at->line,
		     c->path.data != NULL ? c->path.data : "", "%s", text);
	return NULL;
}

void check_unknown(struct check *c, const struct spot *at, enum problem_severity severity,
		   const char *what, const char *word, const char *const *candidates, size_t n)
{
	/* searching takes long; beyond the limit, problems are only counted */
	bool search = c->problems->errors + c->problems->warnings < CONFIG_PROBLEMS_MAX;
	const char *near = search ? text_suggest(word, candidates, n) : NULL;

	if (near != NULL)
		check_add(c, at, severity, "unknown %s '%.100s' (did you mean '%.100s'?)", what,
			  word, near);
	else
		check_add(c, at, severity, "unknown %s '%.100s'", what, word);
}

struct value_name check_name(const struct spot *at)
{
	struct value_name name = {"nothing"};
	json_t *text;
	char cut[64];

	if (json_is_object(at->value)) {
		snprintf(name.text, sizeof(name.text), "a mapping");
	} else if (json_is_array(at->value)) {
		snprintf(name.text, sizeof(name.text), "a list");
	} else if (json_is_boolean(at->value)) {
		snprintf(name.text, sizeof(name.text), "%s",
			 json_is_true(at->value) ? "true" : "false");
	} else if (at->value != NULL && !json_is_null(at->value)) {
		text = options_list_value(at->value);
		text_copy(cut, sizeof(cut), text != NULL ? json_string_value(text) : "");
		snprintf(name.text, sizeof(name.text), json_is_string(at->value) ? "'%s'" : "%s",
			 at->raw != NULL ? at->raw : cut);
		json_decref(text);
	}
	return name;
}
