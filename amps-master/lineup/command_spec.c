#include "amps-master/lineup/command_spec.h"

#include <stdio.h>
#include <string.h>

#include "amps-master/util/json.h"
#include "common/limits.h"

#define SHELL "/bin/sh"

struct maker {
	const struct command_values *values;
	json_t *argv, *env;
	char *reason;
	size_t cap;
};

static int refuse_option(const struct maker *m, enum command_word word)
{
	snprintf(m->reason, m->cap,
		 "{%s} begins with '-', so the command would take it for an option",
		 command_word_names[word]);
	return -EINVAL;
}

static int add_text(json_t *list, struct buf *text)
{
	int r = -ENOMEM;

	buf_puts(text, "");
	if (buf_ok(text))
		r = json_array_append_new(list, json_string(text->data)) < 0 ? -ENOMEM : 0;
	buf_done(text);
	return r;
}

static int add_word(struct maker *m, const char *word)
{
	struct buf text = BUF_INIT;
	enum command_word wrong;

	if (command_word_expand(word, m->values, &text, &wrong) < 0) {
		buf_done(&text);
		return refuse_option(m, wrong);
	}
	return add_text(m->argv, &text);
}

static int add_words(struct maker *m, const json_t *words)
{
	size_t i;
	json_t *word;
	int r = 0;

	json_array_foreach (words, i, word) {
		const char *text = json_string_value(word);

		if (r == 0 && text != NULL)
			r = add_word(m, text);
	}
	return r;
}

static int add_line(struct maker *m, const char *line)
{
	json_auto_t *words = NULL;
	int r = command_words_split(line, &words);

	if (r == -EINVAL)
		snprintf(m->reason, m->cap, "a quote in the command is not closed");
	if (r == 0)
		r = add_words(m, words);
	return r;
}

static int add_variable(struct maker *m, const char *name, const char *value)
{
	struct buf text = BUF_INIT;

	buf_printf(&text, "%s=%s", name, value);
	return add_text(m->env, &text);
}

static int add_shell(struct maker *m, const char *line)
{
	struct buf text = BUF_INIT;
	enum command_word wrong;
	unsigned used;
	int r = command_shell_expand(line, m->values, &text, &used, &wrong);

	if (r == 0)
		r = json_array_append_new(m->argv, json_string(SHELL)) < 0 ||
				    json_array_append_new(m->argv, json_string("-c")) < 0
			    ? -ENOMEM
			    : add_text(m->argv, &text);
	else if (r == -EINVAL)
		r = refuse_option(m, wrong);
	else
		snprintf(m->reason, m->cap, "the command nests too many quotes and parentheses");
	buf_done(&text);
	for (size_t i = 0; i < COMMAND_WORD_COUNT_ && r == 0; i++)
		if (used & 1u << i)
			r = add_variable(m, command_variables[i], m->values->text[i]);
	return r == -E2BIG ? -EINVAL : r;
}

static int add_env(struct maker *m, json_t *env)
{
	const char *name;
	json_t *value;
	int r = 0;

	json_object_foreach (env, name, value) {
		char scratch[32];
		const char *text = json_read_text(env, name, scratch);

		if (r == 0)
			r = add_variable(m, name, text != NULL ? text : "");
	}
	return r;
}

static int add_command(struct maker *m, const json_t *command, bool shell)
{
	const char *line = json_string_value(command);
	int r = line == NULL ? add_words(m, command)
		: shell	     ? add_shell(m, line)
			     : add_line(m, line);

	if (r == 0 && (json_array_size(m->argv) == 0 ||
		       *json_string_value(json_array_get(m->argv, 0)) == '\0')) {
		snprintf(m->reason, m->cap, "the command names no program");
		r = -EINVAL;
	}
	return r;
}

static int make(struct maker *m, const json_t *definition, json_t **ret)
{
	bool mapping = json_is_object(definition);
	const char *cwd = json_string_value(json_object_get(definition, "cwd"));
	json_t *env = json_object_get(definition, "env");
	_cleanup_(freep) char *text = NULL;
	json_auto_t *spec = NULL;
	/* the variables of the placeholders come later and win */
	int r = add_env(m, env);

	if (r == 0)
		r = add_command(m, mapping ? json_object_get(definition, "command") : definition,
				json_is_true(json_object_get(definition, "shell")));
	if (r < 0)
		return r;
	spec = json_pack("{sO sO ss}", "argv", m->argv, "env", m->env, "cwd",
			 cwd != NULL ? cwd : "");
	text = spec != NULL ? json_dumps(spec, JSON_COMPACT) : NULL;
	if (text == NULL)
		return -ENOMEM;
	if (strlen(text) > COMMAND_BYTES_MAX) {
		snprintf(m->reason, m->cap, "the command has more than %d bytes",
			 COMMAND_BYTES_MAX);
		return -EINVAL;
	}
	*ret = TAKE_PTR(spec);
	return 0;
}

int command_spec(const json_t *definition, const struct command_values *v, json_t **ret,
		 char *reason, size_t cap)
{
	struct maker m = {.values = v,
			  .argv = json_array(),
			  .env = json_array(),
			  .reason = reason,
			  .cap = cap};
	int r = m.argv != NULL && m.env != NULL ? make(&m, definition, ret) : -ENOMEM;

	json_decref(m.argv);
	json_decref(m.env);
	return r;
}
