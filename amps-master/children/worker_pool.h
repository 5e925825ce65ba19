/* worker_pool.h - the workers: one process a listening socket, started, fed, watched and replaced.
 *
 * Owned by the master, used in its loop only.  A worker's life:
 *
 *	WAITING -> STARTING -> SETUP -> READY -> STOPPING -> WAITING ...
 *	 backoff    forked,     setup    serves   killed or    reaped
 *	 runs       no HELLO    sent              told to end
 *
 * A worker that dies is replaced at once, with backoff when it died young; meanwhile its listening
 * socket stays open here and, during a backoff, is served by a living worker (LISTEN_ALSO).  A
 * worker that sends a malformed message, or no heartbeat, is killed; nothing else is affected. */
#ifndef AMPS_WORKER_POOL_H
#define AMPS_WORKER_POOL_H

#include <jansson.h>
#include <sys/types.h>
#include "amps-master/children/worker_pool_env.h"

struct worker_pool;

/* 0 or -ENOMEM. */
must_check int worker_pool_new(const struct worker_pool_env *env, struct worker_pool **ret);
struct worker_pool *worker_pool_free(struct worker_pool *p); /* kills; returns NULL; accepts NULL */

/* Takes the snapshots out of `p` and sends them to every worker, also to those started later. */
void worker_pool_publish(struct worker_pool *pool, struct publication *p);

/* Takes one snapshot out of `p`, likewise. */
void worker_pool_publish_snapshot(struct worker_pool *pool, enum snapshot_kind kind,
				  struct published *p);

/* Calls w->done once, when each worker serves what was published so far or SERVED_WAIT_MS have
 * passed; perhaps at once. */
void worker_pool_await(struct worker_pool *pool, struct served_wait *w);

/* The tokens that were published last, borrowed until the next publication; NULL: they cannot be
 * read, or there was no publication yet. */
struct snapshot *worker_pool_tokens(const struct worker_pool *pool);

/* The shared token of what was published (auth.token, never an administrator's where there is one);
 * `token` has TOKEN_BYTES_MAX + 1 bytes.  0, -ENOENT (authentication is off) or -EIO
 * (the tokens cannot be read, or there was no publication yet). */
must_check int worker_pool_shared_token(const struct worker_pool *pool, char *token);

/* Starts them all; after the first publication. */
void worker_pool_start(struct worker_pool *pool);

/* True if the pid was a worker's. */
bool worker_pool_child_exited(struct worker_pool *pool, pid_t pid, int wait_status);

/* Kills workers that have been silent for too long; call it every 250 ms or so.  `late`: the
 * master's own loop was blocked, so silence proves nothing this time. */
void worker_pool_check(struct worker_pool *pool, bool late);

/* To a worker; does nothing if it is not ready. */
void worker_pool_output_ring(struct worker_pool *pool, unsigned worker,
			     const struct msg_output_ring *m, int fd);
/* To one worker, or to all (-1). */
void worker_pool_output_offer(struct worker_pool *pool, int worker,
			      const struct msg_output_offer *m, int fd);
void worker_pool_output_offer_end(struct worker_pool *pool, const struct msg_output_offer_end *m);
void worker_pool_output_turn(struct worker_pool *pool, unsigned worker,
			     const struct msg_output_turn *m);
void worker_pool_output_gone(struct worker_pool *pool, unsigned worker,
			     const struct msg_output_gone *m);
void worker_pool_api_answer(struct worker_pool *pool, unsigned worker,
			    const struct msg_api_answer *m, int fd);
void worker_pool_kick(struct worker_pool *pool, unsigned worker, uint64_t serial);

/* Workers, also those started later, log from this level on. */
void worker_pool_set_log_level(struct worker_pool *pool, enum log_level level);

/* Takes fd, -1 = none: where workers, also those started later, write their access log.  `framed`:
 * it is the ordinary log. */
void worker_pool_set_access_log(struct worker_pool *pool, int fd, bool framed);

bool worker_pool_all_ready(const struct worker_pool *pool);
unsigned worker_pool_alive(const struct worker_pool *pool); /* processes, dying ones included */
uint64_t worker_pool_restarts(const struct worker_pool *pool);

/* The page of a worker (read-only), or NULL while it has none.  Borrowed until the loop turns. */
const void *worker_pool_page(const struct worker_pool *pool, unsigned worker);
/* Media bytes sent by workers that are gone. */
uint64_t worker_pool_past_bytes(const struct worker_pool *pool);

/* [{"index","pid","state","viewers","restarts"}], new reference or NULL. */
json_t *worker_pool_report(const struct worker_pool *pool);

/* Asks all to exit and replaces none from now on; worker_pool_alive() is 0 when they have. */
void worker_pool_shutdown(struct worker_pool *pool);
void worker_pool_kill(struct worker_pool *pool);

#endif
