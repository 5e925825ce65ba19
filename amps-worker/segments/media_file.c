/* media_file.c - see media_file.h; openat2(2) */
#include "amps-worker/segments/media_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int open_beneath(int folder, const char *path)
{
	/* not blocking: the open of a FIFO would wait for its writer */
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
	long fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int media_file_open(int folder, const struct media_name *name, struct reply_file *ret,
		    int64_t *ret_written_s)
{
	_cleanup_(closep) int fd = -1;
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "%u/%u/%u.ts", name->channel, name->track, name->number);
	fd = open_beneath(folder, path);
	if (fd == -ELOOP || fd == -ENOTDIR || fd == -EXDEV || fd == -ENXIO || fd == -EACCES)
		return -ENOENT;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	*ret_written_s = st.st_mtim.tv_sec;
	*ret = (struct reply_file){.size = (uint64_t)st.st_size};
	snprintf(ret->etag, sizeof(ret->etag), "\"%llx.%lx-%llx\"",
		 (unsigned long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		 (unsigned long long)st.st_size);
	ret->fd = TAKE_FD(fd);
	return 0;
}
