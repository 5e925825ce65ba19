#include "amps-cli/program.h"

#include <assert.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "common/programs.h"

#define PROGRAM "amps-master"
/* program, first, two words an option, NULL */
#define ARGS_MAX (2 * COMMAND_OPTIONS_MAX + 3)

/* Writes the call's options as words to `args`; `names` holds the option names with their dashes.
 */
static void build_args(const char *path, const char *first, const struct command_call *call,
		       const char *only, char names[][32], const char *args[])
{
	size_t n = 0;

	args[n++] = path;
	if (first != NULL)
		args[n++] = first;
	for (size_t i = 0; i < COMMAND_OPTIONS_MAX && call->command->options[i].name != NULL; i++) {
		const struct command_option *option = &call->command->options[i];

		if (call->values[i] == NULL || (only != NULL && strcmp(only, option->name) != 0))
			continue;
		snprintf(names[i], sizeof(names[i]), "--%s", option->name);
		args[n++] = names[i];
		if (option->value != NULL)
			args[n++] = call->values[i];
	}
	assert(n < ARGS_MAX);
	args[n] = NULL;
}

int program_become(const char *first, const struct command_call *call)
{
	char names[COMMAND_OPTIONS_MAX][32];
	const char *args[ARGS_MAX];
	char path[PATH_MAX];

	if (programs_find(PROGRAM, path, sizeof(path)) < 0) {
		fprintf(stderr, "amps: " PROGRAM " is neither beside this program nor in "
				"../libexec/amps\n");
		return COMMAND_FAILED;
	}
	build_args(path, first, call, NULL, names, args);
	signal(SIGPIPE, SIG_DFL);
	execv(path, (char *const *)args);
	fprintf(stderr, "amps: cannot run %s: %s\n", path, strerror(errno));
	return COMMAND_FAILED;
}

static void read_all(int fd, struct buf *out)
{
	for (;;) {
		char *room = buf_reserve(out, 65536);
		ssize_t n = room != NULL ? read(fd, room, 65536) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		out->len += (size_t)n;
	}
}

int program_ask(const char *first, const struct command_call *call, struct buf *out)
{
	char names[COMMAND_OPTIONS_MAX][32];
	const char *args[ARGS_MAX];
	char path[PATH_MAX];
	int ends[2], status;
	pid_t pid;

	if (programs_find(PROGRAM, path, sizeof(path)) < 0 || pipe(ends) < 0) {
		fprintf(stderr, "amps: cannot run " PROGRAM "\n");
		return COMMAND_FAILED;
	}
	build_args(path, first, call, "config", names, args);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		signal(SIGPIPE, SIG_DFL);
		execv(path, (char *const *)args);
		_exit(127);
	}
	close(ends[1]);
	if (pid > 0)
		read_all(ends[0], out);
	close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return COMMAND_FAILED;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? COMMAND_DONE : COMMAND_FAILED;
}
