/* listener.h - accepting connections.
 *
 * The worker's own listening socket, and those of slots whose worker is not there at the moment.
 * Descriptors never run out by clients alone: connections stop RESERVED_FDS before the limit of the
 * process, and what comes beyond a cap is told 503 and closed.  When the whole system is out of
 * them, a spare descriptor is given up to answer the newcomer; if even that fails, accepting pauses
 * instead of spinning. */
#ifndef AMPS_LISTENER_H
#define AMPS_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include "common/base.h"

struct worker;
struct listen_socket;
struct address_count;

#define ADDRESS_BUCKETS 1024u

struct listener {
	struct listen_socket *sockets;
	struct event resume; /* timer: after a pause */
	unsigned connections_max;
	uint16_t port; /* of all sockets; 0 before the first */
	int spare_fd;
	bool accepting;
	struct address_count *addresses[ADDRESS_BUCKETS];
};

/* 0 or -Exxx.  Nothing is accepted before listener_start(). */
must_check int listener_init(struct worker *w);
void listener_done(struct worker *w);

/* Adds a listening socket; takes fd.  `index` names it for listener_drop().  0 or -ENOMEM. */
must_check int listener_add(struct worker *w, uint32_t index, int fd);
void listener_drop(struct worker *w, uint32_t index);

void listener_start(struct worker *w);
void listener_stop(struct worker *w); /* for good: closes the sockets */

/* A connection of this address has ended. */
void listener_conn_gone(struct worker *w, const struct in6_addr *peer);

#endif
