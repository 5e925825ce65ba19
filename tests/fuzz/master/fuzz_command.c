/* Any bytes as a command (the first line) and as the values of its placeholders (the rest): the
 * values change neither the number of words nor the text of a shell. */
#include <string.h>

#include "amps-master/lineup/command_spec.h"

static size_t words(const char *line, const char *value, bool shell, char **ret_text)
{
	const struct command_values v = {{value, "5", value}};
	json_auto_t *definition = json_pack("{ss sb}", "command", line, "shell", (int)shell);
	json_auto_t *spec = NULL;
	const json_t *argv;
	char reason[160];

	*ret_text = NULL;
	if (definition == NULL || command_spec(definition, &v, &spec, reason, sizeof(reason)) < 0)
		return 0;
	argv = json_object_get(spec, "argv");
	*ret_text = strdup(json_string_value(json_array_get(argv, json_array_size(argv) - 1)));
	return json_array_size(argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *line = strndup((const char *)data, size);
	_cleanup_(freep) char *value = NULL;
	char *end = line != NULL ? strchr(line, '\n') : NULL;

	if (line == NULL)
		return 0;
	value = strdup(end != NULL ? end + 1 : "");
	if (end != NULL)
		*end = '\0';
	for (int shell = 0; shell < 2; shell++) {
		_cleanup_(freep) char *plain = NULL;
		_cleanup_(freep) char *text = NULL;
		size_t expected = words(line, "x", shell, &plain);
		size_t n = words(line, value, shell, &text);

		/* 0: refused, for example a value that would become an option */
		if (n > 0 && expected > 0 && n != expected)
			abort();
		if (shell && text != NULL && plain != NULL && strcmp(text, plain) != 0)
			abort();
	}
	return 0;
}
