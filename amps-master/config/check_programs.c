#include "amps-master/config/check_programs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "amps-master/lineup/command_words.h"
#include "common/programs.h"

/* Where the problems of one list of channels go. */
struct search {
	const char *file;
	const struct marks *marks;
	struct problems *problems;
};

static const char *text_of(const json_t *mapping, const char *key)
{
	return json_string_value(json_object_get(mapping, key));
}

static bool is_there(const json_t *definition, const char *name)
{
	const char *cwd = text_of(definition, "cwd");
	const char *path = text_of(json_object_get(definition, "env"), "PATH");
	char found[PATH_MAX];

	if (strchr(name, '/') == NULL)
		return programs_in(path != NULL ? path : getenv("PATH"), name, found,
				   sizeof(found)) == 0;
	if (name[0] == '/' || cwd == NULL)
		return access(name, X_OK) == 0;
	return (size_t)snprintf(found, sizeof(found), "%s/%s", cwd, name) < sizeof(found) &&
	       access(found, X_OK) == 0;
}

static void check_command_at(const struct search *s, const json_t *entry, const char *path)
{
	const json_t *definition = json_object_get(entry, "custom_ffmpeg");
	const json_t *command =
		json_is_object(definition) ? json_object_get(definition, "command") : definition;
	json_auto_t *words = NULL;
	const char *name;

	if (json_is_string(command) && !json_is_true(json_object_get(definition, "shell")) &&
	    command_words_split(json_string_value(command), &words) == 0)
		command = words;
	name = json_string_value(json_array_get(command, 0));
	if (name != NULL && strchr(name, '{') == NULL && !is_there(definition, name))
		problems_add(s->problems, PROBLEM_WARNING, s->file,
			     marks_key(s->marks, entry, "custom_ffmpeg").line, path,
			     "the program '%.200s' was not found", name);
}

static void check_list(const struct search *s, const json_t *tree, const char *key)
{
	static const char *const lists[] = {"sources", "adaptive_bitrates"};
	size_t i, k;
	json_t *channel, *inner;
	char path[128];

	json_array_foreach (json_object_get(tree, key), i, channel) {
		snprintf(path, sizeof(path), "%s[%zu].custom_ffmpeg", key, i);
		check_command_at(s, channel, path);
		for (size_t l = 0; l < array_size(lists); l++)
			json_array_foreach (json_object_get(channel, lists[l]), k, inner) {
				snprintf(path, sizeof(path), "%s[%zu].%s[%zu].custom_ffmpeg", key,
					 i, lists[l], k);
				check_command_at(s, inner, path);
			}
	}
}

void check_programs(const json_t *tree, const char *file, const struct marks *marks,
		    struct problems *problems)
{
	struct search s = {file, marks, problems};

	check_list(&s, tree, "streams");
	check_list(&s, tree, "scheduled_streams");
}
