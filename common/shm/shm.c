#include "common/shm/shm.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* MFD_NOEXEC_SEAL came with Linux 6.3; older kernels refuse the flag. */
static int memfd_new(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

static int add_seals(int fd, int seals)
{
	return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int shm_create(const char *name, size_t bytes)
{
	_cleanup_(closep) int fd = memfd_new(name);
	int r;

	assert(bytes > 0);
	if (fd < 0)
		return fd;
	/* fallocate, not ftruncate: a page without memory would kill its reader.  When a signal
	 * comes, the kernel frees what it has allocated so far. */
	do
		r = fallocate(fd, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
	while (r == -EINTR);
	if (r < 0)
		return r;
	r = add_seals(fd, F_SEAL_SHRINK | F_SEAL_GROW);
	if (r < 0)
		return r;
	return TAKE_FD(fd);
}

int shm_seal_writer(int fd)
{
	int want = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
	int seals, r;

	r = add_seals(fd, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	if (r < 0)
		return r;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return -errno;
	return (seals & want) == want ? 0 : -EPERM;
}

int shm_begin(const char *name)
{
	return memfd_new(name);
}

int shm_end(int fd)
{
	return add_seals(fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

int shm_snapshot(const char *name, const void *bytes, size_t n)
{
	_cleanup_(closep) int fd = shm_begin(name);
	int r;

	if (fd < 0)
		return fd;
	r = write_all(fd, bytes, n);
	if (r < 0)
		return r;
	r = shm_end(fd);
	if (r < 0)
		return r;
	return TAKE_FD(fd);
}

int shm_verify(int fd, size_t bytes, bool immutable)
{
	int fixed = F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & fixed) != fixed)
		return -EPERM;
	if (immutable && !(seals & F_SEAL_WRITE))
		return -EPERM;
	if (fstat(fd, &st) < 0 || st.st_size < 0 || (size_t)st.st_size != bytes)
		return -EINVAL;
	return 0;
}

void *shm_map_read(int fd, size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

	return map == MAP_FAILED ? NULL : map;
}

void *shm_map_write(int fd, size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return map == MAP_FAILED ? NULL : map;
}

void shm_unmap(const void *map, size_t bytes)
{
	if (map)
		munmap((void *)(uintptr_t)map, bytes);
}
