#include "amps-transcoder/command/program.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/confine.h"
#include "common/log/log.h"

#define OUTPUT_PIPE_BYTES (1 << 20) /* half a second of a fast source */
#define FILES_SOFT	  1024	    /* more break programs that use select() */
#define SCRATCH_FD_MIN	  10	    /* above every number that the program is given */
#define REPORT_FD	  3	    /* closed by a successful exec */

/* What the program could not do, and why; written to the keeper. */
struct report {
	enum { REPORT_FAILED, REPORT_FOLDER, REPORT_EXEC } what;
	int error;
};

struct words {
	char **at; /* owned, the texts borrowed */
};

static void words_free(struct words *w)
{
	free(w->at);
}

static int words_read(const json_t *list, struct words *ret)
{
	size_t i;
	json_t *word;

	ret->at = calloc(json_array_size(list) + 1, sizeof(*ret->at));
	if (!ret->at)
		return -ENOMEM;
	json_array_foreach (list, i, word)
		ret->at[i] = (char *)(uintptr_t)json_string_value(word);
	return 0;
}

/* ---------- in the child, until exec ---------- */

static void keep_variable(const char *name, char *text, size_t cap, const char *otherwise)
{
	const char *value = getenv(name);

	snprintf(text, cap, "%s=%s", name, value ? value : otherwise);
}

static int set_environment(char *const *more)
{
	static char path[4096], home[4096], lang[64];

	keep_variable("PATH", path, sizeof(path), "/usr/local/bin:/usr/bin:/bin");
	keep_variable("HOME", home, sizeof(home), "/");
	keep_variable("LANG", lang, sizeof(lang), "C.UTF-8");
	if (clearenv() != 0 || putenv(path) != 0 || putenv(home) != 0 || putenv(lang) != 0)
		return -ENOMEM;
	for (; *more; more++)
		if (putenv(*more) != 0)
			return -ENOMEM;
	return 0;
}

static int set_signals(void)
{
	sigset_t none;

	/* the others have no handlers and are not ignored */
	if (signal(SIGPIPE, SIG_DFL) == SIG_ERR || signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return -errno;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int set_limits(unsigned data_mb)
{
	struct rlimit files, data = {(rlim_t)data_mb << 20, (rlim_t)data_mb << 20};

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = MIN(files.rlim_max, FILES_SOFT);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) < 0 || setrlimit(RLIMIT_DATA, &data) < 0)
		return -errno;
	return 0;
}

static int place_fds(int out, int errors, int report)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* a descriptor among those that are replaced would be lost */
	assert(out > REPORT_FD && errors > REPORT_FD && report > REPORT_FD);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(errors, STDERR_FILENO) < 0 || dup3(report, REPORT_FD, O_CLOEXEC) < 0)
		return -errno;
	return close_range(REPORT_FD + 1, ~0u, 0) < 0 ? -errno : 0;
}

static int prepare(char *const *env, unsigned data_mb, pid_t keeper)
{
	int r;

	if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != keeper)
		return -ESRCH;
	confine_step_back();
	r = set_environment(env);
	if (r == 0)
		r = set_signals();
	return r < 0 ? r : set_limits(data_mb);
}

static _Noreturn void become_program(char *const *argv, const char *cwd, int r, int report_fd)
{
	struct report report = {REPORT_FAILED, -r};

	if (r == 0) {
		report.what = REPORT_FOLDER;
		r = *cwd ? chdir(cwd) : 0;
		report.error = errno;
	}
	if (r == 0) {
		report.what = REPORT_EXEC;
		execvp(argv[0], argv);
		report.error = errno;
	}
	/* if the keeper is gone there is nothing to report to */
	if (write(report_fd, &report, sizeof(report)) < 0)
		_exit(126);
	_exit(127);
}

/* ---------- in the keeper ---------- */

static void explain(const struct report *r, const char *program, const char *cwd, char *reason,
		    size_t cap)
{
	switch (r->what) {
	case REPORT_FOLDER:
		snprintf(reason, cap, "the folder '%.200s' of the command cannot be entered: %s",
			 cwd, strerror(r->error));
		return;
	case REPORT_EXEC:
		snprintf(reason, cap, "the program '%.200s' cannot be started: %s", program,
			 strerror(r->error));
		return;
	case REPORT_FAILED:
		break;
	}
	snprintf(reason, cap, "the command cannot be started: %s", strerror(r->error));
}

/* A pipe that is closed by exec, both ends above the descriptors that the program is given. */
static int make_pipe(int ends[2])
{
	int low[2];

	ends[0] = ends[1] = -1;
	if (pipe2(low, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, SCRATCH_FD_MIN);
		close(low[i]);
	}
	return ends[0] < 0 || ends[1] < 0 ? -EMFILE : 0;
}

struct pipes {
	int out[2], errors[2], report[2];
};

static void pipes_done(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		close_fd(&p->out[i]);
		close_fd(&p->errors[i]);
		close_fd(&p->report[i]);
	}
}

static int pipes_make(struct pipes *p)
{
	int r = make_pipe(p->out);

	p->errors[0] = p->errors[1] = p->report[0] = p->report[1] = -1;
	if (r == 0)
		r = make_pipe(p->errors);
	if (r == 0)
		r = make_pipe(p->report);
	if (r == 0 && fcntl(p->out[0], F_SETPIPE_SZ, OUTPUT_PIPE_BYTES) < 0)
		log_debug("the pipe of the command stays small: %s", strerror(errno));
	if (r == 0 && fcntl(p->errors[0], F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	return r;
}

static int fork_program(const struct words *argv, const struct words *env, const char *cwd,
			unsigned data_mb, struct pipes *p, struct report *report)
{
	pid_t keeper = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int placed = place_fds(p->out[1], p->errors[1], p->report[1]);
		int r = placed < 0 ? placed : prepare(env->at, data_mb, keeper);

		become_program(argv->at, cwd, r, placed < 0 ? p->report[1] : REPORT_FD);
	}
	/* here too, so that the group exists whichever process runs first */
	setpgid(pid, pid);
	close_fd(&p->out[1]);
	close_fd(&p->errors[1]);
	close_fd(&p->report[1]);
	if (read(p->report[0], report, sizeof(*report)) == (ssize_t)sizeof(*report))
		return -ENOEXEC;
	return pid;
}

int program_start(const json_t *command, unsigned data_mb, struct program *ret, char *reason,
		  size_t cap)
{
	const char *cwd = json_string_value(json_object_get(command, "cwd"));
	_cleanup_(words_free) struct words argv = {NULL};
	_cleanup_(words_free) struct words env = {NULL};
	struct report report = {REPORT_FAILED, 0};
	struct pipes pipes;
	int r = words_read(json_object_get(command, "argv"), &argv);

	if (r == 0)
		r = words_read(json_object_get(command, "env"), &env);
	if (r == 0 && !argv.at[0])
		r = -EINVAL;
	if (r < 0) {
		snprintf(reason, cap, "the command cannot be started: %s", strerror(-r));
		return r;
	}
	cwd = cwd ? cwd : "";
	r = pipes_make(&pipes);
	if (r == 0)
		r = fork_program(&argv, &env, cwd, data_mb, &pipes, &report);
	if (r > 0)
		*ret = (struct program){r, TAKE_FD(pipes.out[0]), TAKE_FD(pipes.errors[0])};
	else if (!report.error)
		report.error = -r;
	if (r < 0)
		explain(&report, argv.at[0], cwd, reason, cap);
	pipes_done(&pipes);
	return r < 0 ? r : 0;
}
