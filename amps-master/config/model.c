#include "amps-master/config/model.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "amps-master/config/check_programs.h"
#include "amps-master/config/config_check.h"
#include "amps-master/config/config_yaml.h"
#include "amps-master/config/option_memory.h"
#include "common/limits.h"

#define READ_CHUNK 65536

static int read_file(const char *path, struct buf *out)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
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
	int error = read_file(path, &text);

	if (error < 0)
		problems_add(problems, PROBLEM_ERROR, path, 0, "", "cannot be read: %s",
			     strerror(-error));
	else if (marks == NULL)
		error = -ENOMEM;
	else
		error = config_yaml_parse(path, text.data != NULL ? text.data : "", text.len, marks,
					  problems, &tree);
	buf_done(&text);
	if (error == 0)
		error = check_tree(tree, path, marks, memory, problems, ret_model);
	if (error == -ENOMEM)
		problems_add(problems, PROBLEM_ERROR, path, 0, "", "no memory");
	marks_free(marks);
	problems_sort(problems);
	return error;
}
