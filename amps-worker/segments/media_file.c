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

static int open_named(int folder, const struct media_name *name, const char *extension)
{
	const char kind[] = {name->kind, '\0'};
	char path[64];

	snprintf(path, sizeof(path), "%u/%u/%s%u.%s", name->channel, name->track, kind,
		 name->number, extension);
	return open_beneath(folder, path);
}

/* A file that grows gets its name when it is complete, maybe between the two tries. */
static int open_any(int folder, const struct media_name *name)
{
	const char *extension = !name->kind ? "ts" : name->init ? "mp4" : "m4s";
	int fd = open_named(folder, name, extension);

	if (fd == -ENOENT && name->growing)
		fd = open_named(folder, name, "tmp");
	return fd == -ENOENT && name->growing ? open_named(folder, name, extension) : fd;
}

int media_file_open(int folder, const struct media_name *name, struct reply_file *ret,
		    int64_t *ret_written_s)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	fd = open_any(folder, name);
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
