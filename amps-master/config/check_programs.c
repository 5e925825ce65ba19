#include "amps-master/config/check_programs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "amps-master/lineup/command_words.h"

#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"

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

/* Is there a program of this name below the folder?  A name may be a path. */
static bool is_in(const char *folder, size_t len, const char *name)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)len, folder, name) <
		       sizeof(path) &&
	       access(path, X_OK) == 0;
}

static bool is_on_path(const char *path, const char *name)
{
	while (path != NULL) {
		size_t len = strcspn(path, ":");

		/* an empty entry is the current folder */
		if (len > 0 ? is_in(path, len, name) : is_in(".", 1, name))
			return true;
		path = path[len] == ':' ? path + len + 1 : NULL;
	}
	return false;
}

static bool is_there(const json_t *definition, const char *name)
{
	const char *cwd = text_of(definition, "cwd");
	const char *path = text_of(json_object_get(definition, "env"), "PATH");

	if (path == NULL)
		path = getenv("PATH");
	if (strchr(name, '/') == NULL)
		return is_on_path(path != NULL ? path : USUAL_PATH, name);
	if (name[0] == '/' || cwd == NULL)
		return access(name, X_OK) == 0;
	return is_in(cwd, strlen(cwd), name);
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
	size_t i, k;
	json_t *channel, *variant;
	char path[128];

	json_array_foreach (json_object_get(tree, key), i, channel) {
		snprintf(path, sizeof(path), "%s[%zu].custom_ffmpeg", key, i);
		check_command_at(s, channel, path);
		json_array_foreach (json_object_get(channel, "adaptive_bitrates"), k, variant) {
			snprintf(path, sizeof(path), "%s[%zu].adaptive_bitrates[%zu].custom_ffmpeg",
				 key, i, k);
			check_command_at(s, variant, path);
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
