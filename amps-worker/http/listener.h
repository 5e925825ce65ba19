/* listener.h - accepting connections.
 *
 * The worker's own listening socket, and those of slots that have no worker at the moment.
 * Clients alone cannot use up the descriptors: connections stop RESERVED_FDS before the limit of
 * the process, and a client beyond a limit gets 503.  If the whole system has no descriptor left, a
 * spare one is given up to answer the new client; if even that fails, accepting pauses instead of
 * spinning. */
#ifndef AMPS_LISTENER_H
#define AMPS_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include "amps-worker/http/conn.h"

struct listen_socket;

struct listener {
	struct conns *conns; /* borrowed */
	struct listen_socket *sockets;
	struct event resume; /* timer: after a pause */
	int spare_fd;
	bool accepting;
};

/* Sets how many connections there may be and, with each socket, the port they came to.  0 or -Exxx.
 * Nothing is accepted before listener_start(). */
must_check int listener_init(struct listener *l, struct conns *conns);
void listener_done(struct listener *l); /* also one that was never initialized (zeroed) */

/* Adds a listening socket; takes fd.  `index` names it, and perhaps one of the other protocol, for
 * listener_drop().  0 or -ENOMEM. */
must_check int listener_add(struct listener *l, uint32_t index, int fd,
			    enum conn_protocol protocol);
void listener_drop(struct listener *l, uint32_t index);

void listener_start(struct listener *l);
void listener_stop(struct listener *l); /* for good: closes the sockets */

#endif
