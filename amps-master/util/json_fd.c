#include "amps-master/util/json_fd.h"

#include <sys/mman.h>
#include <sys/stat.h>

json_t *json_fd_load(int fd)
{
	struct stat st;
	json_t *tree;
	void *map;

	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return NULL;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	tree = json_loadb(map, (size_t)st.st_size, 0, NULL);
	munmap(map, (size_t)st.st_size);
	return tree;
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t done = write(fd, text, n);

		if (done < 0 && errno != EINTR)
			return -errno;
		text += MAX(done, 0);
		n -= (size_t)MAX(done, 0);
	}
	return 0;
}

int json_fd_save(int fd, const json_t *tree)
{
	size_t n = json_dumpb(tree, NULL, 0, JSON_COMPACT);
	_cleanup_(freep) char *text = n ? malloc(n) : NULL;

	if (!text || json_dumpb(tree, text, n, JSON_COMPACT) != n)
		return -ENOMEM;
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return write_all(fd, text, n);
}
