/* grants.h - viewers whose token limits how many there may be ask the master before they begin.
 *
 *	NONE -> ASKED -> GIVEN: its owner may begin
 *	              -> NONE: refused
 *
 * A grant has the serial of its viewer's record.  Owned by its viewer or session; ends with it, and
 * the master then gives its place to another. */
#ifndef AMPS_WORKER_GRANTS_H
#define AMPS_WORKER_GRANTS_H

#include <sys/queue.h>
#include "amps-worker/context/context.h"

enum grant_state { GRANT_NONE, GRANT_ASKED, GRANT_GIVEN };

/* Embedded; zeroed = GRANT_NONE. */
struct grant {
	LIST_ENTRY(grant) in_bucket;
	struct grants *all;
	uint64_t serial;
	enum grant_state state;
	/* The master's answer; a grant that is refused has ended before.  The owner may be freed.
	 */
	void (*answered)(void *owner, bool given);
	void *owner;
};
LIST_HEAD(grant_list, grant);

#define GRANT_BUCKETS 256u

struct grants {
	struct context *context; /* borrowed */
	struct grant_list buckets[GRANT_BUCKETS];
};

void grants_init(struct grants *all, struct context *context);

/* Asks for the viewer of that serial, which comes with this token. */
void grant_ask(struct grant *g, struct grants *all, uint64_t serial, uint64_t token,
	       void (*answered)(void *owner, bool given), void *owner);

/* Gives it back, if it is asked for or given.  The record of its viewer has been freed: the master
 * takes a record without a grant for one that began before its token had a limit. */
void grant_end(struct grant *g);

/* The master's message; of a viewer that has ended meanwhile it is dropped. */
void grants_on_answer(struct grants *all, const struct msg_grant *m);

#endif
