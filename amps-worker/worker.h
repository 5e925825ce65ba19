/* worker.h - the context of a worker process: what it was given by the master and what its parts
 * share.
 *
 * One thread, one libevent loop with three priorities: new clients and their requests first, then
 * messages of the master and blocked clients, then the fan-out.  The worker owns everything below;
 * parts borrow it for the life of the process. */
#ifndef AMPS_WORKER_H
#define AMPS_WORKER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>
#include "amps-worker/http/access_log.h"
#include "amps-worker/live/feed.h"
#include "amps-worker/http/listener.h"
#include "amps-worker/http/memory.h"
#include "amps-worker/live/output.h"
#include "amps-worker/http/route.h"
#include "common/shm/catalog.h"
#include "common/msg/peer.h"
#include "common/shm/tokens.h"
#include "common/shm/worker_page.h"

/* That the loop lives is told before anything else, however many clients wait for their turn. */
enum worker_priority {
	PRIORITY_HEARTBEAT,
	PRIORITY_CLIENTS,
	PRIORITY_NORMAL,
	PRIORITY_FEED,
	PRIORITY_COUNT_
};

struct conn;
struct viewer;
TAILQ_HEAD(conn_list, conn);

struct worker {
	struct event_base *base;
	struct peer *master;
	uint32_t index;
	bool set_up;   /* WORKER_SETUP has come */
	bool ready;    /* READY was sent, we accept */
	bool draining; /* SHUTDOWN has come */
	int exit_code;
	int (*confine)(void);

	/* shared memory */
	struct worker_page *page;
	struct viewer_record *records;
	const void *chantab;
	const void *pages[WORKERS_MAX]; /* by worker index, our own too; NULL = unknown */
	unsigned page_count;		/* highest known index + 1 */
	struct catalog *catalog;
	struct tokens *tokens;
	struct body_cache *cache;
	struct body_maker *maker;

	/* parts */
	struct listener listener;
	struct outputs outputs;
	struct feed feed;
	struct access_log access_log;
	struct memory memory;
	struct conn_list conns;
	unsigned conn_count;
	struct event heartbeat; /* timer */
	struct event drain;	/* timer, once draining */
	uint64_t sweep_us;	/* when blocked viewers are looked at next */

	/* viewer records: the stack of free ones, and who has which */
	uint64_t serials;
	uint32_t record_count; /* ever used */
	uint32_t free_count;
	uint16_t *free_records;	 /* [WORKER_VIEWERS_MAX] */
	struct viewer **viewers; /* [WORKER_VIEWERS_MAX] by record */
};

/* Takes the socket to the master, sends HELLO; the rest follows from messages.  `confine` is called
 * once everything is there, before the first client (sandbox_enter(); NULL in tests).  0 or -Exxx.
 */
must_check int worker_init(struct worker *w, int master_fd, int (*confine)(void));
void worker_done(struct worker *w);

/* Runs until SHUTDOWN or until the master is gone.  The exit code. */
int worker_run(struct worker *w);

/* What handlers may know at this moment; borrowed for the call. */
struct facts worker_facts(const struct worker *w, const struct in6_addr *peer);

/* Viewers of the whole server, as far as the pages we know tell. */
uint64_t worker_viewers_everywhere(const struct worker *w);

/* Ends the loop once the last connection is gone, if we are draining. */
void worker_conn_gone(struct worker *w);

/* Adds to a counter of our own page: a single writer needs no locked instruction. */
static inline void page_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

#endif
