#include "amps-master/util/state_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int state_file_replace(const char *path, const char *line)
{
	_cleanup_(closep) int fd = -1;
	char beside[PATH_MAX + 8];
	int r;

	if ((size_t)snprintf(beside, sizeof(beside), "%s.new", path) >= sizeof(beside))
		return -ENAMETOOLONG;
	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, line, strlen(line));
	if (r == 0)
		r = write_all(fd, "\n", 1);
	if (r == 0 && (fsync(fd) < 0 || rename(beside, path) < 0))
		r = -errno;
	if (r < 0)
		unlink(beside);
	return r;
}
