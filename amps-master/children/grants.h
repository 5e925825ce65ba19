/* grants.h - how many viewers each limited token has, over all workers: exact, because only this
 * counts.
 *
 *	GRANT_ASK -> given -> GRANT_END, the end of its worker, or YIELD: it is free again
 *	          -> refused
 *
 * A grant has the serial of its viewer, whose upper bits name the worker.  Owned by the worker
 * pool, used in the master's loop only. */
#ifndef AMPS_GRANTS_H
#define AMPS_GRANTS_H

#include <sys/queue.h>
#include "common/base.h"

LIST_HEAD(grant_list, grant);
LIST_HEAD(allowance_list, allowance);

#define GRANT_BUCKETS 1024u

struct grants {
	struct grant_list by_serial[GRANT_BUCKETS];
	struct allowance_list by_token[GRANT_BUCKETS]; /* tokens with at least one viewer */
	size_t count;
};

void grants_init(struct grants *g);
void grants_done(struct grants *g);

/* May one more viewer begin with this token, of which there may be `most`?  It counts then until
 * grants_end().  0, -EDQUOT (there are that many), -EEXIST (that viewer has asked before) or
 * -ENOMEM. */
must_check int grants_ask(struct grants *g, uint64_t serial, uint64_t token, uint32_t most);

/* That viewer has ended, or its place was given to another.  Does nothing if it has no grant. */
void grants_end(struct grants *g, uint64_t serial);

/* A worker has died, and its viewers with it. */
void grants_drop_worker(struct grants *g, unsigned worker);

#endif
