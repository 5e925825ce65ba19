/* reaper.c - runs a command and follows whatever it starts: a process whose parent dies becomes the
 * reaper's child, also one that made a session of its own.  So "nothing is left" is what the kernel
 * says (no child to wait for), and each end has a time.
 *
 * `reaper COMMAND [ARGUMENT]...` runs it in a session of its own, its output on stderr, and writes
 *
 *	pid PID			it runs
 *	ended PID STATUS US	it or an orphan has ended: exit code or minus signal, monotonic time
 *	none US			nothing is left
 *
 * When its stdin is closed it kills what is left and ends. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "common/base.h"

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void become(char **words, const sigset_t *signals)
{
	int nothing = open("/dev/null", O_RDONLY);

	sigprocmask(SIG_SETMASK, signals, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		_exit(126);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	execvp(words[0], words);
	perror(words[0]);
	_exit(127);
}

/* Takes every child that has ended.  False when none is left at all. */
static bool reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		printf("ended %d %d %" PRIu64 "\n", (int)pid,
		       WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status), now_us());
	if (pid < 0)
		printf("none %" PRIu64 "\n", now_us());
	fflush(stdout);
	return pid == 0;
}

static pid_t parent_of(const char *pid)
{
	char path[64], line[512];
	const char *behind = NULL;
	int parent = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fgets(line, sizeof(line), f))
		behind = strrchr(line, ')');
	if (behind && sscanf(behind, ") %*c %d", &parent) != 1)
		parent = -1;
	fclose(f);
	return parent;
}

static void kill_children(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    parent_of(entry->d_name) == getpid())
			kill(atoi(entry->d_name), SIGKILL);
	if (proc)
		closedir(proc);
}

/* The children of a killed process become ours: again until there is none. */
static void kill_all(void)
{
	do
		kill_children();
	while (waitpid(-1, NULL, 0) > 0);
}

static void follow(int signals)
{
	struct pollfd p[] = {{.fd = signals, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
	struct signalfd_siginfo info;
	bool any = true;

	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents) /* nothing is written there: it was closed */
			return;
		if (read(signals, &info, sizeof(info)) == sizeof(info) && any)
			any = reap();
	}
}

int main(int argc, char **argv)
{
	sigset_t wanted, before;
	pid_t pid;
	int signals;

	if (argc < 2) {
		fputs("usage: reaper COMMAND [ARGUMENT]...\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_BLOCK, &wanted, &before);
	signals = signalfd(-1, &wanted, SFD_CLOEXEC);
	if (signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		perror("reaper");
		return 1;
	}
	pid = fork();
	if (pid < 0) {
		perror("reaper");
		return 1;
	}
	if (pid == 0)
		become(argv + 1, &before);
	printf("pid %d\n", (int)pid);
	fflush(stdout);
	follow(signals);
	kill_all();
	return 0;
}
