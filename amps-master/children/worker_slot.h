/* worker_slot.h - one place in the worker pool: a listening socket and the process that serves it.
 *
 * For worker_pool.c and worker_slot.c only.  The slot knows its process's life from fork to death;
 * when there is to be a new one is the pool's affair. */
#ifndef AMPS_WORKER_SLOT_H
#define AMPS_WORKER_SLOT_H

#include "amps-master/children/worker_pool.h"
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

struct snapshot {
	int fd; /* owned; -1 = none yet */
	uint64_t bytes;
	uint64_t generation;
};

struct worker_slot {
	struct worker_pool *pool;
	unsigned index;
	enum slot_state state;
	pid_t pid; /* 0 = none */
	struct peer *peer;
	int page_fd;	   /* owned */
	const void *page;  /* read-only */
	bool page_sealed;  /* the worker has mapped it: peers may have it */
	uint64_t since_us; /* of the state */
	uint64_t started_us;
	uint64_t restarts;
	uint64_t acked; /* catalog generation */
	struct backoff backoff;
	struct event *respawn_timer;
	struct worker_slot *helper; /* serves our socket while we back off */
};

struct worker_pool {
	struct worker_pool_env env;
	struct snapshot catalog, tokens;
	int access_fd; /* owned; -1 = no access log */
	bool access_framed;
	uint64_t past_bytes;
	bool stopping;
	struct worker_slot *slots; /* [env.count] */
};

/* The only writer of `state`. */
void worker_slot_set_state(struct worker_slot *s, enum slot_state state);

/* A new process on this slot's socket.  0 or -Exxx (the slot is then as it was). */
must_check int worker_slot_start(struct worker_slot *s);

/* SIGKILL; its death is reported by the reaper, which then cleans up.  `why` may be NULL: not worth
 * a line. */
void worker_slot_kill(struct worker_slot *s, const char *why);
/* Kills it if it is late or silent. */
void worker_slot_check(struct worker_slot *s, uint64_t now_us);

/* Is there a process that has been set up and listens to us? */
bool worker_slot_listens(const struct worker_slot *s);
void worker_slot_send_snapshots(struct worker_slot *s);
void worker_slot_send_access_log(struct worker_slot *s);

/* Lets a living worker serve the socket of one that backs off, until that is ready again. */
void worker_slot_find_helper(struct worker_slot *s);

/* Gives the page of a dead process up, keeping its sum of bytes in the pool. */
void worker_slot_drop_page(struct worker_slot *s);

json_t *worker_slot_report(const struct worker_slot *s); /* new reference or NULL */

#endif
