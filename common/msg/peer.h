/* peer.h - one end of a message socket in a libevent loop (master and workers).
 *
 * Queues what the socket does not take at once and calls back for each received message.  A queue
 * over PEER_QUEUE_MAX breaks the peer.  A callback may free the peer. */
#ifndef AMPS_PEER_H
#define AMPS_PEER_H

#include <event2/event.h>
#include "common/msg/msg.h"

#define PEER_QUEUE_MAX 4096 /* messages */

struct peer;

struct peer_handler {
	/* A message.  m remains the peer's; descriptors may be taken.  A negative return means that
	 * the message was malformed: the peer is then reported broken with that error. */
	int (*on_message)(void *owner, struct peer *p, struct msg *m);
	/* The other end has gone (-EPIPE) or is broken (-EBADMSG, ...); the last call of a peer. */
	void (*on_broken)(void *owner, struct peer *p, int error);
};

/* Takes fd, also on failure.  `handler` is borrowed for the peer's life, `owner` is passed to it.
 * 0 or -ENOMEM. */
must_check int peer_new(struct event_base *base, int fd, const struct peer_handler *handler,
			void *owner, struct peer **ret);
struct peer *peer_free(struct peer *p); /* closes the socket; returns NULL; accepts NULL */

/* peer_send_want(p, &(struct msg_want){...}, fds): encodes, then sends or queues (descriptors are
 * duplicated when queued).  Errors are reported through on_broken from the loop, never from here.
 */
#define M(NAME, name, fds, fields, meaning)                                                        \
	void peer_send_##name(struct peer *p, const struct msg_##name *m, const int *fds_);
MESSAGES(M)
#undef M

#endif
