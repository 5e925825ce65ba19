#include "amps-master/system/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "unit.h"

Test(spawn, exec_errors_come_back)
{
	const char *const argv[] = {"/nonexistent/program", NULL};
	pid_t pid = -1;

	cr_expect_eq(spawn_child(argv, -1, &pid), -ENOENT);
	cr_expect_eq(pid, -1);
}

/* As a parent started by posix_spawn() has the two signals that libc keeps for its threads. */
static void ignore_thread_signals(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} action = {.handler = SIG_IGN};

	for (int sig = 32; sig <= 33; sig++)
		cr_assert_eq(syscall(SYS_rt_sigaction, sig, &action, NULL, NSIG / 8), 0);
}

/* Descriptor 3 is the message socket, 4 and above do not exist, signals are as by default. */
Test(spawn, a_child_starts_clean)
{
	const char *const argv[] = {
		"/bin/sh", "-c",
		"cd /proc/self/fd && [ ! -e 4 ] && [ ! -e 5 ] && [ ! -e 40 ] && "
		/* grep's own: a shell that waits blocks signals for a moment */
		"grep -q '^SigBlk:.0*$' /proc/self/status && "
		"grep -q '^SigIgn:.0*$' /proc/self/status && "
		"[ \"$(readlink /proc/$$/fd/0)\" = /dev/null ] && echo good >&3",
		NULL};
	char text[16] = "";
	int pair[2], status = -1;
	sigset_t set;
	pid_t pid;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_geq(dup2(pair[0], 40), 0);
	signal(SIGPIPE, SIG_IGN);
	ignore_thread_signals();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	cr_assert_eq(spawn_child(argv, pair[1], &pid), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	cr_expect_eq(recv(pair[0], text, sizeof(text) - 1, MSG_DONTWAIT), 5);
	cr_expect_str_eq(text, "good\n");
	cr_expect_neq(fcntl(pair[1], F_GETFD) & FD_CLOEXEC, 0);
	close(pair[0]);
	close(pair[1]);
	close(40);
}
