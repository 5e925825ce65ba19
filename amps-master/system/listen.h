/* listen.h - the listening sockets of the workers.
 *
 * One SO_REUSEPORT socket a worker, so that the kernel spreads connections; the master keeps them
 * open while a dead worker is replaced.  Used before the loop runs; may block on name lookup. */
#ifndef AMPS_LISTEN_H
#define AMPS_LISTEN_H

#include "common/base.h"
#include "common/limits.h"

struct listeners {
	int fds[WORKERS_MAX]; /* owned */
	unsigned count;
	uint16_t port;	  /* the real one, when 0 was asked for */
	char address[64]; /* what is listened on, for the banner */
};

/* Opens `count` sockets (at least 1) on host ("::" is dual stack) and port; 0 is any free port, the
 * same for all of them.  A given port is bound once without SO_REUSEPORT first: another server on
 * it is noticed instead of shared.  0 or -Exxx with the reason in `text`. */
must_check int listen_open(struct listeners *l, const char *host, uint16_t port, unsigned count,
			   char *text, size_t text_cap);
/* Takes a listening socket of the service manager for all `count` workers, which accept from it in
 * turn; `fd` stays the caller's.  0 or -Exxx with the reason in `text`. */
must_check int listen_share(struct listeners *l, int fd, unsigned count, char *text,
			    size_t text_cap);
void listen_close(struct listeners *l); /* accepts a zeroed struct */

/* Pairs of UDP sockets, an even port and the next one: the workers' RTP and RTCP. */
struct listen_pairs {
	int fds[2 * WORKERS_MAX]; /* owned */
	unsigned count;		  /* of sockets */
};

/* Opens `count` pairs on host from this even port up; 0 is any free ports.  0 or -Exxx with the
 * reason in `text`. */
must_check int listen_open_pairs(struct listen_pairs *l, const char *host, uint16_t port,
				 unsigned count, char *text, size_t text_cap);
void listen_close_pairs(struct listen_pairs *l); /* accepts a zeroed struct */

#endif
