/* datagrams.h - media to one client in datagrams, over a socket that all such clients of a worker
 * share.
 *
 * What is sent at once is bounded, so that it fits a client's socket: credit begins with
 * DATAGRAM_FIRST, because a client may not read yet, and grows with time, at one and a half times
 * the rate of the media, up to DATAGRAM_BURST.  While the shared socket is full a client waits in
 * its list, and is called in turn when there is room. */
#ifndef AMPS_DATAGRAMS_H
#define AMPS_DATAGRAMS_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "common/base.h"

#define DATAGRAMS_AT_ONCE 64u

struct datagrams;
TAILQ_HEAD(datagrams_list, datagrams);

struct datagram_socket {
	int fd;		   /* owned; -1 = closed */
	bool v6;	   /* its family is AF_INET6, perhaps with mapped addresses */
	struct event room; /* while clients wait */
	struct datagrams_list waiting;
};

/* Where to and from where; a value. */
struct datagram_path {
	struct sockaddr_storage to;
	socklen_t to_len;
	/* the address to send from, as a control message; 0 bytes = the kernel chooses */
	size_t control_len;
	_Alignas(8) uint8_t control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct datagrams {
	TAILQ_ENTRY(datagrams) link;
	struct datagram_socket *socket;	  /* borrowed */
	const struct datagram_path *path; /* borrowed */
	void (*on_room)(void *owner);	  /* may free this */
	void *owner;
	bool waits; /* in socket->waiting */
	uint64_t credit, credit_us;
};

/* Takes fd. */
void datagram_socket_init(struct datagram_socket *s, struct event_base *base, int fd);
void datagram_socket_done(struct datagram_socket *s); /* accepts a zeroed one */

/* The path to this port of the peer of a TCP connection, from the address that it is connected to.
 * 0, or -Exxx: the connection is gone, or of another family than the socket. */
must_check int datagram_path_of(const struct datagram_socket *s, int tcp_fd, uint16_t port,
				struct datagram_path *ret);

/* How many bytes may be sent now of media of this rate. */
size_t datagrams_credit(struct datagrams *d, uint64_t now_us, uint64_t bytes_per_second);

/* Sends `count` datagrams, at most DATAGRAMS_AT_ONCE, each from one place in `bytes` to the next.
 * How many were sent, or -Exxx: the client cannot be reached.  If fewer than all were, the
 * client waits for room. */
must_check ssize_t datagrams_send(struct datagrams *d, uint8_t *bytes, const uint32_t *at,
				  size_t count);

/* The client leaves: it waits no more. */
void datagrams_leave(struct datagrams *d);

#endif
