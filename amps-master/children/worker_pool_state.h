/* worker_pool_state.h - what the pool of workers owns.  For worker_pool.c and worker_grants.c only.
 */
#ifndef AMPS_WORKER_POOL_STATE_H
#define AMPS_WORKER_POOL_STATE_H

#include "amps-master/children/grants.h"
#include "amps-master/children/worker_pool_env.h"
#include "amps-master/util/child_log.h"
#include "common/msg/peer.h"

/* Drawn in worker_pool.h. */
enum slot_state {
	SLOT_WAITING,
	SLOT_STARTING,
	SLOT_SETUP,
	SLOT_READY,
	SLOT_STOPPING,
	SLOT_STATES_
};

struct worker_slot {
	struct worker_pool *pool;
	unsigned index;
	enum slot_state state;
	pid_t pid; /* 0 = none */
	struct peer *peer;
	int page_fd;	   /* owned */
	const void *page;  /* read-only */
	bool page_sealed;  /* the worker has mapped it: other workers may get it */
	uint64_t since_us; /* of the state */
	uint64_t started_us;
	uint64_t restarts;
	uint64_t acked[SNAPSHOT_KIND_COUNT_]; /* generations */
	struct backoff backoff;
	struct event *respawn_timer;
	struct worker_slot *helper; /* serves our socket while we back off */
	struct child_log log;
};

struct worker_pool {
	struct worker_pool_env env;
	struct published snapshots[SNAPSHOT_KIND_COUNT_]; /* what workers get */
	struct snapshot *tokens; /* a reader of those, for the master; NULL = it cannot be read */
	TAILQ_HEAD(served_waits, served_wait) waits;
	struct event *wait_timer; /* for the first of them: all wait equally long */
	int access_fd;		  /* owned; -1 = no access log */
	bool access_framed;
	uint64_t past_bytes;
	bool stopping;
	struct grants grants;
	struct worker_slot *slots; /* [env.count] */
};

/* Does each worker that reads messages serve these generations?  Those that are started later do.
 */
bool worker_pool_all_serve(const struct worker_pool *pool, const struct served_wait *w);

/* worker_grants.c: messages of a worker about viewers of limited tokens (grants.h).  0, or
 * -EBADMSG: it is malformed. */
must_check int worker_grants_on_ask(struct worker_slot *s, const struct msg *m);
must_check int worker_grants_on_end(struct worker_slot *s, const struct msg *m);

/* Answers those that ask for a grant, once no worker lets viewers begin by older limits. */
void worker_grants_decide(struct worker_pool *pool);

#endif
