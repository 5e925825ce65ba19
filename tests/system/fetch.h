/* fetch.h - how a viewer of a test gets its bytes: one GET whose answer ends with the connection.
 *
 * It does not interpret the bytes: its user passes them to a judge.  The socket is
 * the caller's to wait for.  Addresses are numeric, IPv4 or IPv6. */
#ifndef TESTS_FETCH_H
#define TESTS_FETCH_H

#include <sys/types.h>

#include "common/base.h"

#define FETCH_HEAD_MAX 4096

enum fetch_state {
	FETCH_CLOSED,
	FETCH_HEAD, /* asked; the answer's head is not complete */
	FETCH_BODY
};

struct fetch {
	enum fetch_state state;
	int fd;	    /* owned; -1 = closed */
	int port;   /* the local one */
	int status; /* of the answer; 0 = none yet */
	char head[FETCH_HEAD_MAX];
	size_t head_len;
};

/* Connects and asks for `path`.  Waits for the connection: on loopback it is there at once, or
 * refused.  rcvbuf is the socket's receive buffer in bytes, 0 = the kernel's choice.  0 or -errno,
 * then the state is FETCH_CLOSED. */
must_check int fetch_open(struct fetch *f, const char *host, int port, const char *path,
			  int rcvbuf);

/* Reads once, at most `cap` bytes, without waiting.  Returns how many came; those of the body are
 * at *ret_body, *ret_len of them (0: none), inside `buf`.  0 = the peer has closed; -EAGAIN =
 * nothing there; another -errno = the connection is lost. */
must_check ssize_t fetch_read(struct fetch *f, uint8_t *buf, size_t cap, const uint8_t **ret_body,
			      size_t *ret_len);

void fetch_close(struct fetch *f); /* accepts a closed one */

#endif
