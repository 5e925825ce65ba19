#include "amps-master/store/state_secret.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "amps-master/util/state_file.h"

/* Drops blanks and line ends on both sides; -EINVAL when nothing is left or a NUL is inside. */
static int secret_trim(char *text, size_t n, char dst[TOKEN_BYTES_MAX + 1])
{
	static const char blanks[] = " \t\r\n";
	size_t from = 0;

	if (memchr(text, '\0', n) != NULL)
		return -EINVAL;
	while (from < n && strchr(blanks, text[from]) != NULL)
		from++;
	while (n > from && strchr(blanks, text[n - 1]) != NULL)
		n--;
	if (n == from)
		return -EINVAL;
	if (n - from > TOKEN_BYTES_MAX)
		return -EMSGSIZE;
	memcpy(dst, text + from, n - from);
	dst[n - from] = '\0';
	return 0;
}

int state_secret_read(const char *path, char dst[TOKEN_BYTES_MAX + 1])
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[TOKEN_BYTES_MAX + 64];
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	while (n < sizeof(text) && got > 0) {
		got = read(fd, text + n, sizeof(text) - n);
		if (got < 0)
			return -errno;
		n += (size_t)got;
	}
	return n < sizeof(text) ? secret_trim(text, n, dst) : -EMSGSIZE;
}

static int secret_make(size_t count, char dst[TOKEN_BYTES_MAX + 1])
{
	unsigned char bytes[TOKEN_BYTES_MAX / 2];

	assert(count <= sizeof(bytes));
	if (getrandom(bytes, count, 0) != (ssize_t)count)
		return -EIO;
	for (size_t i = 0; i < count; i++)
		snprintf(dst + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int state_secret_keep(const char *path, size_t bytes, char ret_secret[TOKEN_BYTES_MAX + 1])
{
	int r = state_secret_read(path, ret_secret);

	if (r != -ENOENT)
		return r;
	r = secret_make(bytes, ret_secret);
	return r < 0 ? r : state_file_replace(path, ret_secret);
}
