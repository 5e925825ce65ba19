/* base.h - attributes and helpers every file of Amps may use.
 *
 * Error convention of the whole tree: an int function returns 0 or -Exxx, an ssize_t function a
 * count or -Exxx, a pointer function NULL only for "not found" or "no memory" (its header says
 * which).  Out-parameters are named ret_x, come last and are untouched on failure. */
#ifndef AMPS_BASE_H
#define AMPS_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define must_check	  __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define _cleanup_(fn)	  __attribute__((cleanup(fn)))
#define array_size(a)	  (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	  ((a) < (b) ? (a) : (b))
#define MAX(a, b)	  ((a) > (b) ? (a) : (b))

/* The value of an owned pointer or descriptor, which the caller takes over; empties the variable.
 */
#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

/* For `_cleanup_(freep) char *x`. */
static inline void freep(void *p)
{
	free(*(void **)p);
}

/* For `_cleanup_(closep) int fd = -1`.  Keeps errno. */
static inline void closep(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

/* Closes *fd if open and sets it to -1.  Keeps errno. */
static inline void close_fd(int *fd)
{
	closep(fd);
	*fd = -1;
}

/* Writes all bytes to a blocking descriptor.  0 or -Exxx; some may have been written then. */
must_check static inline int write_all(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno != EINTR)
			return -errno;
		at += MAX(done, 0);
		n -= (size_t)MAX(done, 0);
	}
	return 0;
}

/* True if accept() failed for lack of descriptors or memory: an immediate retry would fail too. The
 * socket stays readable, so a loop that watches it must pause. */
static inline bool accept_must_pause(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

#endif
