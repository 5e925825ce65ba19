#include "amps-master/loader.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "amps-master/spawn.h"

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

int loader_wait(pid_t pid, unsigned timeout_ms, int *ret_status)
{
	_cleanup_(closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	bool late = pidfd >= 0 && poll(&p, 1, (int)timeout_ms) == 0;

	if (late)
		kill(pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return late ? -ETIMEDOUT : 0;
}
