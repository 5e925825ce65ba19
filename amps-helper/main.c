/* main.c - `amps-helper TASK`: a task outside the media path, in a process of its own.
 *
 * The task's description is one JSON object on stdin.  The result goes to stdout.  A failure is one
 * line on stderr, the reason, and exit code 1; 2 is wrong usage.  A task that exceeds its time
 * limit ends with SIGALRM. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "amps-helper/tasks.h"
#include "common/limits.h"
#include "common/sandbox.h"

struct task {
	const char *name;
	unsigned seconds;
	size_t bytes; /* of its description */
	enum sandbox_network network;
	int nice; /* what takes seconds of work lets viewers go first */
	int (*run)(const json_t *task, char *reason, size_t cap);
};

static const struct task tasks[] = {
	{"fetch", FETCH_SECONDS_MAX, HELPER_TASK_MAX, SANDBOX_ANY, 0, fetch_run},
	{"guide", GUIDE_SECONDS_MAX, GUIDE_TASK_MAX, SANDBOX_ANY, 10, guide_run},
	{"hook", HOOK_BATCH_SECONDS + HOOK_SECONDS, HOOK_TASK_MAX, SANDBOX_ANY, 0, hook_run},
	{"geoip", GEOIP_SECONDS_MAX, HELPER_TASK_MAX, SANDBOX_OFFLINE, 10, geoip_run},
};

/* `path`: the file that the task reads, or NULL. */
static int confine(const char *path, enum sandbox_network network)
{
	const char *const files[] = {
		getenv(FETCH_AUTHORITIES),
#ifdef AMPS_SANITIZED
		"/proc", /* the leak checker reads the list of threads at the end */
#endif
	};
	size_t first = files[0] == NULL;
	const struct sandbox rights = {.network = network,
				       .memory_mb = HELPER_MEMORY_MB,
				       .file = path,
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
static json_t *read_description(size_t most)
{
	_cleanup_(freep) char *text = malloc(most);
	size_t n = text != NULL ? fread(text, 1, most, stdin) : 0;

	return n < most ? json_loadb(text != NULL ? text : "", n, 0, NULL) : NULL;
}

/* A file in memory, which the sandbox would not let the task make. */
static int add_spool(json_t *description)
{
	int fd = memfd_create("amps-helper-spool", MFD_CLOEXEC);

	return fd < 0 ? -errno : json_object_set_new(description, "spool", json_integer(fd));
}

static int run(const struct task *task)
{
	char reason[ERROR_TEXT_MAX] = "";
	json_t *description;
	int r;

	alarm(task->seconds + HELPER_GRACE_S);
	setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + task->nice);
	/* the program that started this one wrote it: it is not from outside */
	description = read_description(task->bytes);
	if (description == NULL) {
		fprintf(stderr, "the description of the task is not JSON\n");
		return 1;
	}
	r = task->run == guide_run ? add_spool(description) : 0;
	if (r == 0)
		r = confine(json_string_value(json_object_get(description, "path")), task->network);
	if (r < 0) {
		fprintf(stderr, "the sandbox could not be entered: %s\n", strerror(-r));
		json_decref(description);
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
