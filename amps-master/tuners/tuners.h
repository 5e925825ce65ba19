/* tuners.h - starts and stops tuners on demand: requests of the workers in, jobs and rings out.
 *
 * Owned by the master, used in its loop only.  A worker's wants come in; the tuners decide which
 * jobs run, give them rings, tell the workers which ring fills which want, restart what failed with
 * backoff and stop after the idle time without a viewer.  The channel table is written here and
 * nowhere else. */
#ifndef AMPS_TUNERS_H
#define AMPS_TUNERS_H

#include <sys/types.h>
#include "amps-master/lineup/lineup.h"
#include "amps-master/tuners/tuners_env.h"

struct tuners;

/* 0 or -ENOMEM. */
must_check int tuners_new(const struct tuners_env *env, struct tuners **ret);
/* Kills every job and frees.  Returns NULL; accepts NULL. */
struct tuners *tuners_free(struct tuners *t);

/* Takes a new line-up; restarts the jobs whose hash changed, removes tuners without a definition.
 * Tuners of channels that both line-ups share are left alone.  Returns the old one (the caller's),
 * or NULL. */
must_check struct lineup *tuners_set_lineup(struct tuners *t, struct lineup *l);
const struct lineup *tuners_lineup(const struct tuners *t); /* NULL before the first */

/* Jobs started from now on log from this level on. */
void tuners_set_log_level(struct tuners *t, enum log_level level);

/* From the worker pool. */
void tuners_want(struct tuners *t, unsigned worker, const struct msg_want *m);
void tuners_release(struct tuners *t, unsigned worker, uint32_t want);
/* What is offered to the others is offered to a worker that begins. */
void tuners_offer(struct tuners *t, unsigned worker);
void tuners_worker_gone(struct tuners *t, unsigned worker); /* all its wants end */

/* From the nursery and the reaper. */
void tuners_nursery_ready(struct tuners *t);
/* True if the pid was a job's. */
bool tuners_child_exited(struct tuners *t, pid_t pid, int wait_status);

/* `amps stop KEY` ("5", "5/sd"): ends the tuner, or switches a profile-only variant's output off;
 * its viewers' answers end.  One that is a copy shares its output, which stays for the others.  0,
 * or -ENOENT. */
must_check int tuners_stop(struct tuners *t, const char *key);

/* Array of the objects that `amps tuners --json` prints, new reference; `viewers_of` counts an
 * output's viewers (from the worker pages). */
json_t *tuners_report(const struct tuners *t, void *owner,
		      uint64_t (*viewers_of)(void *owner, uint32_t output_slot));

/* How many tuners tuners_report() lists; reads nothing but memory. */
/* What is wrong with the channel's tuner of this key ("5", "5/sd"): {"key", "now": [texts],
 * "last_hour": [texts]}.  NULL: there is none. */
json_t *tuners_why(const struct tuners *ts, const char *key);
unsigned tuners_count(const struct tuners *t);

/* Jobs alive, for shutdown and /metrics. */
unsigned tuners_job_count(const struct tuners *t);

/* Asks every job to end; the loop goes on until tuners_job_count() is 0. */
void tuners_shutdown(struct tuners *t);
void tuners_kill(struct tuners *t); /* SIGKILL to every job */

#endif
