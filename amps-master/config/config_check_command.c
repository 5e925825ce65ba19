/* custom_ffmpeg: an external command that produces a channel's stream. */
#include <string.h>

#include "amps-master/lineup/command_words.h"
#include "amps-master/config/config_check_parts.h"

#define WORDS_MAX 1024

static void check_placeholders(struct check *c, const struct spot *at, const char *text)
{
	size_t n;
	const char *found = command_words_unknown(text, &n);

	if (found != NULL)
		check_error(c, at,
			    "unknown placeholder '%.*s' ({source}, {id} and {name} exist; write "
			    "'{{' and '}}' for braces)",
			    (int)(n < 60 ? n : 60), found);
}

static json_t *read_word(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *word = value_text(c, f, at);

	if (word != NULL)
		check_placeholders(c, at, json_string_value(word));
	return word;
}

static const struct field word = {.read = read_word};
static const struct field words = {.item = &word, .max = WORDS_MAX};

/* A command line as one text, or a list of words. */
static json_t *read_line(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *line;

	if (json_is_array(at->value)) {
		if (json_array_size(at->value) == 0)
			check_error(c, at, "must not be empty");
		return value_list(c, &words, at);
	}
	line = value_text(c, f, at);
	if (line != NULL)
		check_placeholders(c, at, json_string_value(line));
	return line;
}

static json_t *read_env(struct check *c, const struct field *f, const struct spot *at)
{
	static const struct section any = {.other = value_text};
	static const struct field env = {.section = &any};
	const char *key;
	json_t *unused;

	(void)f;
	json_object_foreach (at->value, key, unused) {
		if (*key == '\0' || strchr(key, '=') != NULL)
			check_error(c, at, "'%.60s' cannot name a variable", key);
	}
	return value_section(c, &env, at);
}

/* A command line must have words and, if no shell reads it, closed quotes. */
static void check_words(struct check *c, const struct spot *at, const json_t *line, bool shell)
{
	const char *text = json_string_value(line);
	json_auto_t *split = NULL;

	if (text == NULL)
		return;
	if (text[strspn(text, " \t\r\n")] == '\0')
		check_error(c, at, "must not be empty");
	else if (!shell && command_words_split(text, &split) == -EINVAL)
		check_error(c, at, "a quote is not closed");
}

static bool finish_command(struct check *c, const struct spot *at, json_t *out)
{
	const json_t *command = json_object_get(out, "command");
	bool shell = json_is_true(json_object_get(out, "shell"));
	struct spot inner = check_enter_key(c, at->value, "command");

	check_words(c, &inner, command, shell);
	check_leave(c, &inner);
	if (shell && json_is_array(command))
		check_error(c, at, "with 'shell: true' the command must be one text, not a list");
	return true;
}

static const struct field command_fields[] = {
	FIELD("command", read_line, .flags = FIELD_REQUIRED),
	FIELD("shell", value_bool),
	FIELD("cwd", value_text, .flags = FIELD_FILLED),
	FIELD("env", read_env),
};
static const struct section command_section = {FIELDS(command_fields), .finish = finish_command};

json_t *config_check_command(struct check *c, const struct field *f, const struct spot *at)
{
	static const struct field mapping = {.section = &command_section};
	json_t *line;

	if (json_is_object(at->value))
		return value_section(c, &mapping, at);
	line = read_line(c, f, at);
	check_words(c, at, line, false);
	return line;
}
