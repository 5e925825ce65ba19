#include "amps-cli/program.h"

#include <assert.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "common/limits.h"
#include "common/programs.h"
#include "common/text/text.h"

#define PROGRAM "amps-master"
#define HELPER	"amps-helper"
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
		assert(strlen(option->name) + 2 < sizeof(names[i]));
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

/* Starts a program that ends with this one; a descriptor of -1 is this program's own. */
static pid_t start(const char *const args[], int in, int out, int err)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	signal(SIGPIPE, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
	    (in < 0 || dup2(in, STDIN_FILENO) >= 0) && (out < 0 || dup2(out, STDOUT_FILENO) >= 0) &&
	    (err < 0 || dup2(err, STDERR_FILENO) >= 0))
		execv(args[0], (char *const *)args);
	_exit(127);
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

	if (programs_find(PROGRAM, path, sizeof(path)) < 0 || pipe2(ends, O_CLOEXEC) < 0) {
		fprintf(stderr, "amps: cannot run " PROGRAM "\n");
		return COMMAND_FAILED;
	}
	build_args(path, first, call, "config", names, args);
	pid = start(args, -1, ends[1], -1);
	close(ends[1]);
	if (pid > 0)
		read_all(ends[0], out);
	close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return COMMAND_FAILED;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

/* The last line that a helper wrote on its stderr, or how it ended. */
static void read_reason(int fd, int status, char *reason, size_t cap)
{
	char text[HELPER_SAID_BYTES];
	off_t bytes = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, text, sizeof(text) - 1, MAX(bytes - (off_t)sizeof(text) + 1, 0));

	text[MAX(n, 0)] = '\0';
	text_last_line(text, "", reason, cap);
	if (WIFSIGNALED(status))
		snprintf(reason, cap, HELPER " was ended by a signal: %s",
			 strsignal(WTERMSIG(status)));
	else if (reason[0] == '\0')
		snprintf(reason, cap, HELPER " failed");
}

/* Runs a task; its description is in the file `in`. */
static int run_helper(const char *task, int in, int out, char *reason, size_t cap)
{
	char path[PATH_MAX];
	const char *const args[] = {path, task, NULL};
	_cleanup_(closep) int err = memfd_create("amps-reason", MFD_CLOEXEC);
	int status;
	pid_t pid;

	if (err < 0)
		return -errno;
	if (programs_find(HELPER, path, sizeof(path)) < 0) {
		snprintf(reason, cap,
			 HELPER " is neither beside this program nor in ../libexec/amps");
		return -ENOENT;
	}
	pid = start(args, in, out, err);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	read_reason(err, status, reason, cap);
	return -EIO;
}

int program_fetch(const char *url, int *ret_fd, char *reason, size_t cap)
{
	/* Through stdin, because every user may read the words of a command line. */
	_cleanup_(closep) int in = memfd_create("amps-task", MFD_CLOEXEC);
	_cleanup_(closep) int out = memfd_create("amps-document", MFD_CLOEXEC);
	json_auto_t *task = json_pack("{s:s}", "url", url);
	int r = task == NULL ? -EINVAL : in < 0 || out < 0 ? -EMFILE : 0;

	if (r == 0 && (json_dumpfd(task, in, 0) < 0 || lseek(in, 0, SEEK_SET) < 0))
		r = -EIO;
	snprintf(reason, cap, "%s", strerror(-r));
	if (r == 0)
		r = run_helper("fetch", in, out, reason, cap);
	if (r == 0 && lseek(out, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		*ret_fd = TAKE_FD(out);
	return r;
}
