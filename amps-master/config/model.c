#include "amps-master/config/model.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "amps-master/config/check_programs.h"
#include "amps-master/config/config_check.h"
#include "amps-master/config/config_yaml.h"
#include "amps-master/config/option_memory.h"
#include "common/limits.h"

#define READ_CHUNK 65536

/* Also says whether every user of this machine may read it. */
static int read_file(const char *path, struct buf *out, bool *ret_public)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret_public = S_ISREG(st.st_mode) && (st.st_mode & S_IROTH);
	for (;;) {
		char *dst = buf_reserve(out, READ_CHUNK);
		ssize_t n = dst != NULL ? read(fd, dst, READ_CHUNK) : -1;

		if (dst == NULL)
			return -ENOMEM;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		out->len += (size_t)n;
		if (out->len > CONFIG_BYTES_MAX)
			return -EFBIG;
	}
}

/* Is this a token, written in the file?  One that comes from the environment is not, and one that
 * is published with the older Amps is no secret. */
static bool is_written(const json_t *token, const struct buf *text)
{
	const char *value = json_string_value(token);

	if (json_is_integer(token))
		return true;
	return value != NULL && *value != '\0' && strcmp(value, WELL_KNOWN_TOKEN) != 0 &&
	       memmem(text->data, text->len, value, strlen(value)) != NULL;
}

static bool holds_tokens(const json_t *auth, const struct buf *text)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (json_object_get(auth, "tokens"), i, entry)
		if (is_written(json_object_get(entry, "token"), text))
			return true;
	return is_written(json_object_get(auth, "token"), text) ||
	       is_written(json_object_get(auth, "admin_token"), text);
}

static int check_tree(json_t *tree, const char *path, const struct marks *marks,
		      struct option_memory *memory, struct problems *problems, json_t **ret_model)
{
	struct option_asks *asks = option_asks_new();
	json_t *model = NULL;
	int error = -ENOMEM;

	if (asks != NULL)
		error = config_check(tree, path, marks, asks, problems, &model);
	if (error == 0 && memory != NULL)
		option_memory_open(memory, model);
	if (error == 0 || error == -EINVAL)
		option_asks_run(asks, memory, marks, path, problems);
	if (error == 0)
		check_programs(tree, path, marks, problems);
	option_asks_free(asks);
	if (error == 0 && problems->errors == 0) {
		*ret_model = model;
		return 0;
	}
	json_decref(model);
	return error != 0 ? error : -EINVAL;
}

int model_load(const char *path, struct option_memory *memory, struct problems *problems,
	       json_t **ret_model)
{
	struct marks *marks = marks_new();
	struct buf text = BUF_INIT;
	json_auto_t *tree = NULL;
	bool public = false;
	int error = read_file(path, &text, &public);

	if (error < 0)
		problems_add(problems, PROBLEM_ERROR, path, 0, "", "cannot be read: %s",
			     strerror(-error));
	else if (marks == NULL)
		error = -ENOMEM;
	else
		error = config_yaml_parse(path, text.data != NULL ? text.data : "", text.len, marks,
					  problems, &tree);
	if (error == 0 && public && holds_tokens(json_object_get(tree, "auth"), &text))
		problems_add(problems, PROBLEM_WARNING, path, marks_key(marks, tree, "auth").line,
			     "auth",
			     "holds tokens, and every user of this machine can read the file: "
			     "use chmod o-r");
	buf_done(&text);
	if (error == 0)
		error = check_tree(tree, path, marks, memory, problems, ret_model);
	if (error == -ENOMEM)
		problems_add(problems, PROBLEM_ERROR, path, 0, "", "no memory");
	marks_free(marks);
	problems_sort(problems);
	return error;
}
