#include "amps-master/system/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/msg/msg.h"

#define SCRATCH_FD_MIN 10 /* above every number that a child is given */
#define ERROR_FD       4  /* where a child reports why exec failed; closed by a successful exec */
#define READ_CHUNK     65536

_Static_assert(MSG_CHILD_FD == 3, "ERROR_FD follows MSG_CHILD_FD");

/* What a child starts with. -1: /dev/null for in, the parent's for out, none for message. */
struct child_fds {
	int in, out, message;
};

/* Everything from here to exec runs between fork and exec of a program with threads: system calls
 * only, no memory, no locks. */
static void reset_signals(void)
{
	/* The kernel's structure, all zero: SIG_DFL.  libc's own call refuses the two signals that
	 * its threads use, and a parent started by posix_spawn() hands them down ignored. */
	static const unsigned char default_action[64];
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		syscall(SYS_rt_sigaction, sig, default_action, NULL, NSIG / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Out of the way of 0..4 first, so that no dup2() below can hit a descriptor still needed. */
static bool lift(int *fd)
{
	if (*fd < 0)
		return true;
	*fd = fcntl(*fd, F_DUPFD_CLOEXEC, SCRATCH_FD_MIN);
	return *fd >= 0;
}

static bool place_fds(struct child_fds fds, int error_fd)
{
	if (fds.in < 0) {
		fds.in = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fds.in < 0)
			return false;
	}
	if (!lift(&error_fd) || !lift(&fds.in) || !lift(&fds.out) || !lift(&fds.message))
		return false;
	if (dup2(fds.in, STDIN_FILENO) < 0 || (fds.out >= 0 && dup2(fds.out, STDOUT_FILENO) < 0) ||
	    (fds.message >= 0 && dup2(fds.message, MSG_CHILD_FD) < 0) ||
	    dup3(error_fd, ERROR_FD, O_CLOEXEC) < 0)
		return false;
	if (fds.message < 0)
		close(MSG_CHILD_FD);
	return close_range(ERROR_FD + 1, ~0u, 0) == 0;
}

static _Noreturn void child_main(const char *const argv[], struct child_fds fds, int error_fd,
				 pid_t parent)
{
	int error;

	reset_signals();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
	    place_fds(fds, error_fd)) {
		error_fd = ERROR_FD;
		execv(argv[0], (char *const *)argv);
	}
	error = errno;
	/* If the parent is gone, the write fails: there is nothing to report to. */
	if (write(error_fd, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

static pid_t fork_quiet(sigset_t *saved)
{
	sigset_t all;
	pid_t pid;

	/* A handler of the parent must not run in the child: it would write into the parent's event
	 * loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, saved);
	pid = fork();
	if (pid != 0) {
		int error = errno;

		pthread_sigmask(SIG_SETMASK, saved, NULL);
		errno = error;
	}
	return pid;
}

static int reap(pid_t pid, int *ret_status)
{
	while (waitpid(pid, ret_status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int start(const char *const argv[], struct child_fds fds, pid_t *ret_pid)
{
	_cleanup_(closep) int error_read = -1;
	_cleanup_(closep) int error_write = -1;
	pid_t parent = getpid();
	sigset_t saved;
	int pipe_fds[2], error = 0, status;
	ssize_t n;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	error_read = pipe_fds[0];
	error_write = pipe_fds[1];
	pid = fork_quiet(&saved);
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_main(argv, fds, error_write, parent);
	close_fd(&error_write);
	do {
		n = read(error_read, &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(error)) {
		(void)reap(pid, &status);
		return error > 0 ? -error : -ECHILD;
	}
	*ret_pid = pid;
	return 0;
}

int spawn_child(const char *const argv[], int child_fd, pid_t *ret_pid)
{
	return start(argv, (struct child_fds){.in = -1, .out = -1, .message = child_fd}, ret_pid);
}

/* One filter at work. */
struct filter {
	int in_fd, out_fd; /* -1 once closed */
	const char *in;
	size_t left;
	struct buf *out;
};

static void filter_feed(struct filter *f)
{
	ssize_t n = send(f->in_fd, f->in, f->left, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		f->in += n;
		f->left -= (size_t)n;
	}
	/* A filter may close its input early: its output and status decide. */
	if (n < 0 || f->left == 0)
		close_fd(&f->in_fd);
}

static int filter_drain(struct filter *f)
{
	char *dst = buf_reserve(f->out, READ_CHUNK + 1);
	ssize_t n;

	if (dst == NULL)
		return -ENOMEM;
	n = read(f->out_fd, dst, READ_CHUNK);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n == 0) {
		close_fd(&f->out_fd);
		return 0;
	}
	f->out->len += (size_t)n;
	f->out->data[f->out->len] = '\0';
	return f->out->len > FILTER_BYTES_MAX ? -EFBIG : 0;
}

/* Until the filter closes its output. */
static int filter_run(struct filter *f, unsigned timeout_ms)
{
	uint64_t end_us = clock_mono_us() + (uint64_t)timeout_ms * 1000;
	int error = 0;

	while (f->out_fd >= 0 && error == 0) {
		struct pollfd fds[2] = {{.fd = f->out_fd, .events = POLLIN},
					{.fd = f->in_fd, .events = POLLOUT}};
		uint64_t now_us = clock_mono_us();

		if (now_us >= end_us)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)((end_us - now_us) / 1000) + 1) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents != 0)
			filter_feed(f);
		if (fds[0].revents != 0)
			error = filter_drain(f);
	}
	return error;
}

int spawn_filter(const char *const argv[], const void *in, size_t n, unsigned timeout_ms,
		 struct buf *out, int *ret_status)
{
	_cleanup_(closep) int child_in = -1;
	_cleanup_(closep) int child_out = -1;
	struct filter f = {.in_fd = -1, .out_fd = -1, .in = in, .left = n, .out = out};
	int pair[2], error, status = 0;
	pid_t pid;

	/* A socket, because a pipe could raise SIGPIPE in us. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	f.in_fd = pair[0];
	child_in = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0) {
		error = -errno;
		close_fd(&f.in_fd);
		return error;
	}
	f.out_fd = pair[0];
	child_out = pair[1];
	error = start(argv, (struct child_fds){.in = child_in, .out = child_out, .message = -1},
		      &pid);
	close_fd(&child_in);
	close_fd(&child_out);
	if (error == 0) {
		if (n == 0)
			close_fd(&f.in_fd);
		error = filter_run(&f, timeout_ms);
		if (error != 0)
			kill(pid, SIGKILL);
		if (reap(pid, &status) < 0 && error == 0)
			error = -ECHILD;
	}
	close_fd(&f.in_fd);
	close_fd(&f.out_fd);
	if (error == 0)
		*ret_status = status;
	return error;
}
