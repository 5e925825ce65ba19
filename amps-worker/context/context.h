/* context.h - what the master has given this worker, shared by all its parts.
 *
 * The event loop has three levels for clients: new clients and their requests first, then messages
 * of the master, blocked viewers and large answers, then the fan-out.  The worker owns the context;
 * its parts borrow it for the life of the process. */
#ifndef AMPS_CONTEXT_H
#define AMPS_CONTEXT_H

#include <event2/event.h>
#include "common/shm/catalog.h"
#include "common/shm/geoip.h"
#include "common/shm/guide.h"
#include "common/text/link.h"
#include "common/msg/msg.h"
#include "common/msg/peer.h"
#include "common/shm/tokens.h"
#include "common/shm/worker_page.h"

/* The heartbeat comes first: the master must see it however many clients wait. */
enum worker_priority {
	PRIORITY_HEARTBEAT,
	PRIORITY_CLIENTS,
	PRIORITY_NORMAL,
	PRIORITY_FEED,
	PRIORITY_COUNT_
};

struct context {
	struct event_base *base;
	struct peer *master;
	uint32_t index;			/* UINT32_MAX before WORKER_SETUP */
	struct worker_page *page;	/* our own; NULL before WORKER_SETUP */
	const void *pages[WORKERS_MAX]; /* by worker index, our own too; NULL = unknown */
	unsigned page_count;		/* highest known index + 1 */
	const void *chantab;		/* channel table; NULL before WORKER_SETUP */
	/* One reference each, by kind; NULL before the first of the kind. */
	struct snapshot *snapshots[SNAPSHOT_KIND_COUNT_];
	int64_t lineup_s; /* the second after the last change of what lists show */
	int media_fd;	  /* the folder of segments; -1 before WORKER_SETUP */
	uint8_t media_key[MEDIA_KEY_BYTES], link_key[LINK_KEY_BYTES];
	size_t sockets_max; /* this worker's share of the kernel's memory for TCP */
	bool draining;	    /* SHUTDOWN has come */
};

/* Messages.  0, or -Exxx when the master sent something unusable. */
/* Takes *media_fd. */
must_check int context_on_setup(struct context *x, const struct msg_worker_setup *m, int page_fd,
				int table_fd, int *media_fd);
must_check int context_on_worker_peer(struct context *x, const struct msg_worker_peer *m, int fd);
must_check int context_on_worker_peer_gone(struct context *x, uint32_t index);
must_check int context_on_snapshot(struct context *x, const struct msg_snapshot *m, int fd);

/* True once there is a snapshot of each kind; there need be no guide or countries. */
bool context_complete(const struct context *x);

static inline struct catalog *context_catalog(const struct context *x)
{
	return catalog_of(x->snapshots[SNAPSHOT_CATALOG]);
}

static inline struct guide *context_guide(const struct context *x)
{
	return guide_of(x->snapshots[SNAPSHOT_GUIDE]);
}

static inline struct geoip *context_geoip(const struct context *x)
{
	return geoip_of(x->snapshots[SNAPSHOT_GEOIP]);
}

static inline struct tokens *context_tokens(const struct context *x)
{
	return tokens_of(x->snapshots[SNAPSHOT_TOKENS]);
}

/* Closes the socket to the master and unmaps everything. */
void context_done(struct context *x);

/* Adds to a counter of our own page: a single writer needs no locked instruction. */
static inline void page_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

#endif
