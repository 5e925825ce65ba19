/* nursery.h - the one process that forks jobs: exec'd once with all libraries loaded.
 *
 * Owned by the master, used in its loop only.  Jobs have the master as their parent, so that the
 * nursery may die and be replaced without them. */
#ifndef AMPS_NURSERY_H
#define AMPS_NURSERY_H

#include <event2/event.h>
#include <sys/types.h>
#include "amps-master/tuners/tuners.h"
#include "amps-master/util/backoff.h"

struct nursery;

struct nursery_env {
	struct event_base *base;
	bool log_json;
	const char *program; /* path of amps-transcoder; borrowed */
	struct fork_brake *brake;
	struct tuners *tuners; /* informed whenever the nursery can take jobs; borrowed */
};

/* 0 or -ENOMEM. */
must_check int nursery_new(const struct nursery_env *env, struct nursery **ret);
struct nursery *nursery_free(struct nursery *n); /* kills; returns NULL; accepts NULL */
void nursery_start(struct nursery *n);

/* Sends the job's end of its socket (which stays the caller's). 0, or -EAGAIN: not ready. */
must_check int nursery_fork_job(struct nursery *n, int fd);

bool nursery_child_exited(struct nursery *n, pid_t pid, int wait_status); /* true if its pid */
void nursery_check(struct nursery *n);	    /* kills one that does not get ready; now and then */
pid_t nursery_pid(const struct nursery *n); /* 0 = none at the moment */

void nursery_replace(struct nursery *n); /* kills one that hangs; its successor follows */

void nursery_shutdown(struct nursery *n); /* asks it to end; it is not replaced any more */
void nursery_kill(struct nursery *n);	  /* for good */

#endif
