#include "amps-master/config/loader.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "amps-master/system/spawn.h"

int loader_start(const char *const argv[], pid_t *ret_pid, int *ret_fd)
{
	_cleanup_(closep) int fd = memfd_create("amps-loader", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = spawn_child(argv, fd, ret_pid);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

struct waiting {
	bool over;
	short what;
};

static void on_end(int fd, short what, void *arg)
{
	struct waiting *w = arg;

	(void)fd;
	w->over = true;
	w->what = what;
}

/* 0 once the process has exited. */
static int wait_for_end(struct event_base *base, int pidfd, unsigned timeout_ms, const bool *stop)
{
	const struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	struct waiting waiting = {0};
	struct event *end = event_new(base, pidfd, EV_READ, on_end, &waiting);

	if (!end)
		return -ENOMEM;
	if (event_add(end, &tv) != 0)
		waiting.over = true;
	while (!waiting.over && !*stop)
		event_base_loop(base, EVLOOP_ONCE);
	/* ^C on a terminal also ends the helper: look for a signal to this process first. */
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_free(end);
	if (*stop)
		return -EINTR;
	return waiting.what & EV_READ ? 0 : -ETIMEDOUT;
}

int loader_wait(struct event_base *base, pid_t pid, unsigned timeout_ms, const bool *stop,
		int *ret_status)
{
	_cleanup_(closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int r = pidfd < 0 ? -errno : wait_for_end(base, pidfd, timeout_ms, stop);

	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return r;
}
