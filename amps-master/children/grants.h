/* grants.h - how many viewers each limited token has, over all workers: exact, because only this
 * process counts.
 *
 *	GRANT_ASK -> asked -> given -> GRANT_END, or the end of its worker: it is free again
 *	               |        +----> YIELD: its place is free, and its record will soon be
 *	               +-> refused: it is gone
 *
 * Asked ones wait, in their order, until every worker knows the limits that count (decided by the
 * worker pool).  Viewers that began before their token had a limit have no grant: they are counted
 * in the workers' pages.
 *
 * A grant has the serial of its viewer, whose upper bits name the worker.  Owned by the worker
 * pool, used in the master's loop only. */
#ifndef AMPS_GRANTS_H
#define AMPS_GRANTS_H

#include <sys/queue.h>
#include "common/base.h"

LIST_HEAD(grant_list, grant);
TAILQ_HEAD(grant_queue, grant);
LIST_HEAD(allowance_list, allowance);

#define GRANT_BUCKETS 1024u

struct grants {
	struct grant_list by_serial[GRANT_BUCKETS];
	struct allowance_list by_token[GRANT_BUCKETS]; /* tokens with at least one viewer */
	struct grant_queue asked;
	size_t count;
};

/* A grant that is asked for. */
struct grant_question {
	uint64_t serial, token;
};

/* How the tokens limit it now. */
struct grant_limit {
	uint32_t most;	     /* viewers; 0: there is no such token any more */
	uint64_t generation; /* of the tokens */
};

void grants_init(struct grants *g);
void grants_done(struct grants *g);

/* The viewer of this serial comes with this token.  0, -EEXIST (that viewer has asked before) or
 * -ENOMEM. */
must_check int grants_ask(struct grants *g, uint64_t serial, uint64_t token);

/* The first that waits.  False: none does. */
bool grants_next(const struct grants *g, struct grant_question *ret);

/* Gives or refuses that one.  `pages`: those of the workers (common/shm/worker_page.h), NULL where
 * there is none.  True: it is given, until grants_end(). */
bool grants_decide(struct grants *g, struct grant_limit limit, const void *const *pages,
		   unsigned page_count);

/* That viewer will end, and its place is another's now. */
void grants_yield(struct grants *g, uint64_t serial);

/* That viewer has ended.  Both do nothing if it has no grant. */
void grants_end(struct grants *g, uint64_t serial);

/* The viewers of a worker that has died. */
void grants_drop_worker(struct grants *g, unsigned worker);

#endif
