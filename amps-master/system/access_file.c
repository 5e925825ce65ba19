#include "amps-master/system/access_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FLAGS (O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define MODE  0640

/* O_NONBLOCK is shared by all processes that have this stderr, so a pipe or a terminal is opened a
 * second time.  A regular file is not: its position is shared, too.  A socket cannot be, and its
 * writers do not need it. */
static int open_stderr(void)
{
	struct stat st;
	int fd = -1;

	if (fstat(STDERR_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		fd = open("/proc/self/fd/2", O_WRONLY | FLAGS);
	if (fd < 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return fd < 0 ? -errno : fd;
}

static bool is_fifo(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

int access_file_open(const char *path)
{
	int fd;

	if (strcmp(path, ACCESS_FILE_STDERR) == 0)
		return open_stderr();
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | FLAGS, MODE);
	if (fd < 0 && errno != ENXIO)
		return -errno;
	/* a FIFO that we could read ourselves always has a reader: others may come and go */
	if (fd < 0 || is_fifo(fd)) {
		close_fd(&fd);
		fd = open(path, O_RDWR | O_NOFOLLOW | FLAGS);
	}
	return fd < 0 ? -errno : fd;
}
