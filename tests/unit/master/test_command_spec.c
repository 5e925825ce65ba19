/* test_command_spec.c - what a job is told of a command, and what hostile values make of it: in the
 * words of a command, and in the text of a real shell */
#include "amps-master/lineup/command_spec.h"

#include "unit.h"
#include <stdio.h>
#include <string.h>

#include "common/limits.h"

static char reason[ERROR_TEXT_MAX];

static json_t *json(const char *text)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

	cr_assert_not_null(value, "%s", text);
	return value;
}

static int make(const char *definition, const struct command_values *v, json_t **ret)
{
	json_t *value = json(definition);
	int r = command_spec(value, v, ret, reason, sizeof(reason));

	json_decref(value);
	return r;
}

static const struct command_values plain = {{"http://h/a b", "5", "News"}};

static void expect(const char *definition, const char *expected)
{
	json_t *spec = NULL;
	char *text;

	cr_assert_eq(make(definition, &plain, &spec), 0, "%s: %s", definition, reason);
	text = json_dumps(spec, JSON_COMPACT);
	cr_expect_str_eq(text, expected);
	free(text);
	json_decref(spec);
}

Test(command_spec, the_forms_of_a_command)
{
	expect("\"ffmpeg -i {source} -metadata 'x=a {name}' pipe:1\"",
	       "{\"argv\":[\"ffmpeg\",\"-i\",\"http://h/a b\",\"-metadata\",\"x=a News\","
	       "\"pipe:1\"],\"env\":[],\"cwd\":\"\"}");
	expect("[\"play\", \"{source}\", \"a b\", \"\", \"{id}\"]",
	       "{\"argv\":[\"play\",\"http://h/a b\",\"a b\",\"\",\"5\"],\"env\":[],\"cwd\":\"\"}");
	expect("{\"command\":\"play x\", \"cwd\":\"/srv\", \"env\":{\"A\":\"{id}\",\"B\":\"\"}}",
	       "{\"argv\":[\"play\",\"x\"],\"env\":[\"A={id}\",\"B=\"],\"cwd\":\"/srv\"}");
	expect("{\"command\":\"play {source} | cat\", \"shell\":true, \"env\":{\"AMPS_SOURCE\":\"x\"}}",
	       "{\"argv\":[\"/bin/sh\",\"-c\",\"play \\\"${AMPS_SOURCE}\\\" | cat\"],"
	       "\"env\":[\"AMPS_SOURCE=x\",\"AMPS_SOURCE=http://h/a b\"],\"cwd\":\"\"}");
}

static void expect_refused(const char *definition, const struct command_values *v, const char *word)
{
	json_t *spec = NULL;

	cr_expect_eq(make(definition, v, &spec), -EINVAL, "%s", definition);
	cr_expect(strstr(reason, word) != NULL, "%s: %s", definition, reason);
	cr_expect_null(spec);
}

Test(command_spec, says_why_a_command_cannot_run)
{
	static char large[COMMAND_BYTES_MAX + 1];
	const struct command_values big = {{large, "5", "News"}};
	const struct command_values option = {{"-f", "5", "News"}};

	memset(large, 'x', COMMAND_BYTES_MAX);
	expect_refused("\"play {source}\"", &big, "more than 32768 bytes");
	expect_refused("\"play {source}\"", &option, "{source} begins with '-'");
	expect_refused("{\"command\":\"play '{source}'\",\"shell\":true}", &option,
		       "{source} begins with '-'");
	expect_refused("\"''\"", &plain, "names no program");
	expect_refused("[\"{source}\"]", &(struct command_values){{"", "5", ""}},
		       "names no program");
}

/* Each would add a word, an option or a command if a value were split or read by a shell. */
static const char *const hostile[25] = {
	"; touch CANARY",
	"| touch CANARY",
	"|| touch CANARY",
	"& touch CANARY &",
	"&& touch CANARY",
	"$(touch CANARY)",
	"`touch CANARY`",
	"\n touch CANARY \n",
	"\r\ntouch CANARY",
	"' ; touch CANARY ; '",
	"\" ; touch CANARY ; \"",
	"'\"'\"' ; touch CANARY #",
	"\\' ; touch CANARY #",
	"\\\" ; touch CANARY #",
	"> CANARY",
	">> CANARY <&0",
	"$IFS$9touch${IFS}CANARY",
	"${x:=$(touch CANARY)}",
	"<(touch CANARY)",
	"x -y -f null -i /etc/passwd",
	"x\t-y",
	"{source} {id} {name}",
	"}} ; touch CANARY ; {{",
	"*",
	"~root/$HOME \\",
};

static const char *word_at(const json_t *spec, size_t i)
{
	return json_string_value(json_array_get(json_object_get(spec, "argv"), i));
}

Test(command_spec, a_hostile_value_stays_one_argument)
{
	for (size_t i = 0; i < array_size(hostile); i++) {
		const struct command_values v = {{hostile[i], "5", hostile[i]}};
		json_t *spec = NULL;
		char embedded[256];

		cr_assert_eq(make("\"run {source} 'n={name}' last\"", &v, &spec), 0, "%s",
			     hostile[i]);
		snprintf(embedded, sizeof(embedded), "n=%s", hostile[i]);
		cr_expect_eq(json_array_size(json_object_get(spec, "argv")), 4, "%s", hostile[i]);
		cr_expect_str_eq(word_at(spec, 0), "run");
		cr_expect_str_eq(word_at(spec, 1), hostile[i]);
		cr_expect_str_eq(word_at(spec, 2), embedded);
		cr_expect_str_eq(word_at(spec, 3), "last");
		json_decref(spec);
	}
}

/* Runs the shell of a spec in this folder; what it wrote. */
static void run_shell(const json_t *spec, const char *folder, char *dst, size_t cap)
{
	int ends[2];
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	cr_assert_eq(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		size_t i;
		json_t *variable;

		dup2(ends[1], STDOUT_FILENO);
		json_array_foreach (json_object_get(spec, "env"), i, variable)
			putenv((char *)(uintptr_t)json_string_value(variable));
		if (chdir(folder) == 0)
			execl(word_at(spec, 0), word_at(spec, 0), word_at(spec, 1),
			      word_at(spec, 2), NULL);
		_exit(127);
	}
	close(ends[1]);
	while ((got = read(ends[0], dst + n, cap - n - 1)) > 0)
		n += (size_t)got;
	dst[n] = '\0';
	close(ends[0]);
}

/* The words of the command, each with a mark behind it; and an empty folder. */
Test(command_spec, a_hostile_value_is_no_code_of_a_shell)
{
	char folder[] = "/tmp/amps-command-XXXXXX", out[4096], expected[4096], canary[64];

	cr_assert_not_null(mkdtemp(folder));
	snprintf(canary, sizeof(canary), "%s/CANARY", folder);
	for (size_t i = 0; i < array_size(hostile); i++) {
		const struct command_values v = {{hostile[i], "5", hostile[i]}};
		const char *h = hostile[i];
		json_t *spec = NULL;

		cr_assert_eq(make("{\"command\":\"printf '%s^' {source} a{name} '{source} b' "
				  "\\\"c {name}\\\" \\\"$(printf '%s' \\\"{source}\\\")\\\" # "
				  "{name}\\nprintf end\","
				  "\"shell\":true}",
				  &v, &spec),
			     0, "%s", h);
		run_shell(spec, folder, out, sizeof(out));
		snprintf(expected, sizeof(expected), "%s^a%s^%s b^c %s^%.*s^end", h, h, h, h,
			 /* a shell drops line ends behind the output of $() */
			 (int)(strlen(h) - (h[strlen(h) - 1] == '\n')), h);
		cr_expect_str_eq(out, expected);
		cr_expect(access(canary, F_OK) != 0, "%s", h);
		json_decref(spec);
	}
	cr_expect_eq(rmdir(folder), 0, "a file was made");
}
