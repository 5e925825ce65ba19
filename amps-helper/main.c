/* main.c - `amps-helper TASK`: a task outside the media path, in a process of its own.
 *
 * The task's description is one JSON object on stdin.  The result goes to stdout.  A failure is one
 * line on stderr, the reason, and exit code 1; 2 is wrong usage.  A task that exceeds its time
 * limit ends with SIGALRM. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "amps-helper/tasks.h"
#include "common/limits.h"
#include "common/sandbox.h"

struct task {
	const char *name;
	unsigned seconds;
	int (*run)(const json_t *task, char *reason, size_t cap);
};

static const struct task tasks[] = {
	{"fetch", FETCH_SECONDS_MAX, fetch_run},
};

static int confine(void)
{
	const char *const files[] = {
		getenv(FETCH_AUTHORITIES),
#ifdef AMPS_SANITIZED
		"/proc", /* the leak checker reads the list of threads at the end */
#endif
	};
	size_t first = files[0] == NULL;
	const struct sandbox rights = {.network = SANDBOX_ANY,
				       .memory_mb = HELPER_MEMORY_MB,
				       .more = files + first,
				       .more_count = array_size(files) - first};
#ifndef AMPS_SANITIZED
	const struct rlimit memory = {HELPER_MEMORY_MB << 20, HELPER_MEMORY_MB << 20};

	if (setrlimit(RLIMIT_DATA, &memory) < 0)
		return -errno;
#endif
	return sandbox_enter(&rights);
}

/* The description on stdin, or NULL. */
static json_t *read_description(void)
{
	_cleanup_(freep) char *text = malloc(HELPER_TASK_MAX);
	size_t n = text != NULL ? fread(text, 1, HELPER_TASK_MAX, stdin) : 0;

	return n < HELPER_TASK_MAX ? json_loadb(text != NULL ? text : "", n, 0, NULL) : NULL;
}

static int run(const struct task *task)
{
	char reason[ERROR_TEXT_MAX] = "";
	json_t *description;
	int r;

	alarm(task->seconds + HELPER_GRACE_S);
	r = confine();
	if (r < 0) {
		fprintf(stderr, "the sandbox could not be entered: %s\n", strerror(-r));
		return 1;
	}
	description = read_description();
	if (description == NULL) {
		fprintf(stderr, "the description of the task is not JSON\n");
		return 1;
	}
	r = task->run(description, reason, sizeof(reason));
	json_decref(description);
	if (r < 0)
		fprintf(stderr, "%s\n", reason[0] != '\0' ? reason : strerror(-r));
	return r < 0;
}

int main(int argc, char *argv[])
{
	for (size_t i = 0; argc == 2 && i < array_size(tasks); i++)
		if (strcmp(argv[1], tasks[i].name) == 0)
			return run(&tasks[i]);
	fprintf(stderr, "usage: amps-helper TASK, with its description as JSON on stdin\n");
	return 2;
}
