#include "amps-master/system/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/confine.h"
#include "common/msg/msg.h"

#define SCRATCH_FD_MIN 10 /* above every number that a child is given */
#define ERROR_FD       4  /* where a child reports why exec failed; closed by a successful exec */

_Static_assert(MSG_CHILD_FD == 3, "ERROR_FD follows MSG_CHILD_FD");

/* Everything from here to exec runs between fork and exec of a program with threads: system calls
 * only, no memory, no locks. */
static void reset_signals(void)
{
	/* The kernel's structure, all zero: SIG_DFL.  libc's own call refuses the two signals that
	 * its threads use, and a parent started by posix_spawn() may pass them on as ignored. */
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

static bool place_fds(struct spawn s, int error_fd)
{
	if (s.in < 0) {
		s.in = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (s.in < 0)
			return false;
	}
	if (!lift(&error_fd) || !lift(&s.in) || !lift(&s.out) || !lift(&s.err) || !lift(&s.message))
		return false;
	if (dup2(s.in, STDIN_FILENO) < 0 || (s.out >= 0 && dup2(s.out, STDOUT_FILENO) < 0) ||
	    (s.err >= 0 && dup2(s.err, STDERR_FILENO) < 0) ||
	    (s.message >= 0 && dup2(s.message, MSG_CHILD_FD) < 0) ||
	    dup3(error_fd, ERROR_FD, O_CLOEXEC) < 0)
		return false;
	if (s.message < 0)
		close(MSG_CHILD_FD);
	return close_range(ERROR_FD + 1, ~0u, 0) == 0;
}

static bool limit(int resource, uint64_t bytes)
{
	const struct rlimit limits = {bytes, bytes};

	return bytes == 0 || setrlimit(resource, &limits) == 0;
}

static bool bound(const struct spawn *s)
{
	int r;

	if ((s->group && setpgid(0, 0) < 0) || !limit(RLIMIT_DATA, (uint64_t)s->memory_mb << 20) ||
	    !limit(RLIMIT_FSIZE, s->file_bytes))
		return false;
	r = s->unprivileged ? confine_capabilities() : 0;
	errno = -r;
	return r == 0;
}

static _Noreturn void child_main(const struct spawn *s, int error_fd, pid_t parent)
{
	const char *const *env = s->env != NULL ? s->env : (const char *const *)environ;
	int error;

	reset_signals();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && bound(s) &&
	    place_fds(*s, error_fd)) {
		error_fd = ERROR_FD;
		execve(s->argv[0], (char *const *)s->argv, (char *const *)env);
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

int spawn_program(const struct spawn *s, pid_t *ret_pid)
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
		child_main(s, error_write, parent);
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
	const struct spawn s = {.argv = argv, .in = -1, .out = -1, .err = -1, .message = child_fd};

	return spawn_program(&s, ret_pid);
}

int spawn_peer(const char *const argv[], struct event_base *base,
	       const struct peer_handler *handler, void *owner, struct peer **ret_peer,
	       pid_t *ret_pid)
{
	struct peer *peer;
	int fds[2], r;

	r = msg_socketpair(fds);
	if (r < 0)
		return r;
	r = peer_new(base, fds[0], handler, owner, &peer);
	if (r == 0) {
		r = spawn_child(argv, fds[1], ret_pid);
		if (r < 0)
			peer_free(peer);
		else
			*ret_peer = peer;
	}
	close_fd(&fds[1]);
	return r;
}
