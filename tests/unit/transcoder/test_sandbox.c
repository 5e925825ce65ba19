/* test_sandbox.c - what a job may no longer do once it is inside */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "amps-transcoder/sandbox.h"

#ifndef AMPS_SANITIZED /* sanitizers need most of what is taken away */

static char folder[] = "/tmp/amps-sandbox-XXXXXX";
static char mine[64], other[64];

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	cr_assert_geq(fd, 0);
	close(fd);
}

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(mine, sizeof(mine), "%s/mine", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	touch(mine);
	touch(other);
}

static void teardown(void)
{
	unlink(mine);
	unlink(other);
	rmdir(folder);
}

/* Runs in a child inside the sandbox; every check that fails is a bit of its exit code. */
static int inside(int (*checks)(void), bool file_folder)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct sandbox s = {.file = mine, .file_folder = file_folder};

		_exit(sandbox_enter(&s) < 0 ? 255 : checks());
	}
	waitpid(pid, &status, 0);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool opens(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int check_files(void)
{
	return (opens(mine, O_RDONLY) ? 0 : 1) | (opens(other, O_RDONLY) ? 2 : 0) |
	       (opens(mine, O_RDWR) ? 4 : 0) | (opens("/etc/passwd", O_RDONLY) ? 8 : 0) |
	       (opens("/etc/hosts", O_RDONLY) ? 0 : 16) |
	       (opens("/tmp/amps-made-inside", O_WRONLY | O_CREAT) ? 32 : 0) |
	       (unlink(mine) == 0 ? 64 : 0);
}

static int check_folder(void)
{
	return (opens(mine, O_RDONLY) ? 0 : 1) | (opens(other, O_RDONLY) ? 0 : 2) |
	       (opens("/etc/passwd", O_RDONLY) ? 4 : 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static bool makes_thread(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0;
}

static int check_processes(void)
{
	struct rlimit core = {1, 1};
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	execl("/bin/true", "true", NULL);
	getrlimit(RLIMIT_CORE, &core);
	return (pid >= 0 ? 1 : 0) | (makes_thread() ? 0 : 2) |
	       (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 4 : 0) | (core.rlim_cur ? 8 : 0);
}

static int check_sockets(void)
{
	return (socket(AF_INET, SOCK_STREAM, 0) < 0 ? 1 : 0) |
	       (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 2 : 0) |
	       (socket(AF_PACKET, SOCK_RAW, 0) >= 0 ? 4 : 0);
}

/* Signals, niceness, a terminal's input: nothing that reaches beyond this process. */
static int check_others(void)
{
	bool typed = ioctl(0, TIOCSTI, "x") == 0 || errno != EPERM;
	bool typed_wide = syscall(SYS_ioctl, 0, TIOCSTI | 1ul << 32, "x") == 0 || errno != EPERM;

	return (tgkill(getppid(), getppid(), 0) == 0 ? 1 : 0) |
	       (tgkill(getpid(), gettid(), 0) == 0 ? 0 : 2) |
	       (setpriority(PRIO_USER, 0, 19) == 0 ? 4 : 0) | (typed || typed_wide ? 8 : 0) |
	       (socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT) >= 0 ? 16 : 0) |
	       (opens("/etc/ssl/private", O_RDONLY | O_DIRECTORY) ? 32 : 0);
}

/* A pipe's owner gets a signal when there is something to be read. */
static int check_owner(void)
{
	int ends[2];

	if (pipe(ends) < 0 || fcntl(ends[0], F_SETOWN, getppid()) < 0 ||
	    fcntl(ends[0], F_SETSIG, SIGUSR1) < 0 || fcntl(ends[0], F_SETFL, O_ASYNC) < 0)
		return 0;
	return write(ends[1], "x", 1) == 1 ? 0 : 1;
}

TestSuite(sandbox, .init = setup, .fini = teardown);

Test(sandbox, reads_its_source_and_nothing_else)
{
	cr_assert_eq(inside(check_files, false), 0);
}

Test(sandbox, a_playlist_may_have_its_folder)
{
	cr_assert_eq(inside(check_folder, true), 0);
}

static int check_passwd(void)
{
	return opens("/etc/passwd", O_RDONLY) ? 1 : 0;
}

Test(sandbox, a_playlist_in_the_root_has_no_folder)
{
	static const char *const lists[] = {"/live.m3u8", "//live.m3u8", "/etc/../live.m3u8"};

	for (size_t i = 0; i < array_size(lists); i++) {
		snprintf(mine, sizeof(mine), "%s", lists[i]);
		cr_expect_eq(inside(check_passwd, true), 0, "%s", lists[i]);
	}
	snprintf(mine, sizeof(mine), "%s/mine", folder);
}

Test(sandbox, makes_threads_but_no_processes)
{
	cr_assert_eq(inside(check_processes, false), 0);
}

Test(sandbox, talks_to_the_network_alone)
{
	cr_assert_eq(inside(check_sockets, false), 0);
}

Test(sandbox, reaches_no_other_process)
{
	cr_assert_eq(inside(check_others, false), 0);
}

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
	signalled = number;
}

Test(sandbox, signals_nobody_by_a_descriptor)
{
	/* landlock_create_ruleset(2): the version that can scope signals */
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 6)
		cr_skip_test("this kernel's Landlock cannot scope signals");
	signal(SIGUSR1, on_signal);
	cr_assert_eq(inside(check_owner, false), 0);
	cr_assert_eq(signalled, 0);
}

#else

Test(sandbox, runs_nothing_else)
{
	struct sandbox s = {0};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (sandbox_enter(&s) == 0)
			execl("/bin/true", "true", NULL);
		_exit(7);
	}
	waitpid(pid, &status, 0);
	cr_assert_eq(WEXITSTATUS(status), 7);
}

#endif
