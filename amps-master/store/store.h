/* store.h - the database thread: SQLite on one side, publications on the other.
 *
 * One thread owns the database.  The master's loop posts requests and gets each answer as a
 * callback in its own loop (through an eventfd); neither ever waits for the other. */
#ifndef AMPS_STORE_H
#define AMPS_STORE_H

#include <event2/event.h>
#include "amps-master/store/operation.h"

struct store;

/* Opens (creates, migrates) the database in state_dir and starts the thread; blocks, so only before
 * the loop runs.  `base` gets the callbacks.  0 or -Exxx with the reason in `text`. */
must_check int store_open(struct event_base *base, const char *state_dir, struct store **ret,
			  char *text, size_t text_cap);
struct store *store_close(struct store *s); /* joins the thread; returns NULL; accepts NULL */

/* The receiver may take the publication or the config out of the answer (and leave NULL); the rest
 * is freed after the call. */
typedef void (*store_done_fn)(void *owner, uint64_t cookie, struct store_answer *a);

/* The database thread does it, in the order of submission.  A publication costs what changed: the
 * thread keeps each channel resolved, and resolves again those whose definition has changed, or all
 * of them after an edit of the settings or profiles. */
void store_submit(struct store *s, const struct store_operation *op, store_done_fn done,
		  void *owner, uint64_t cookie);

/* Takes a reference to a line-up that the loop has replaced; what it frees is freed in the
 * thread. */
void store_dispose(struct store *s, struct lineup *l);

/* Why the database cannot be written: 0 (it can), -EBUSY (locked by another process), -ENOENT
 * (moved or deleted) or another -Exxx.  As of the last transaction or the last look, which is at
 * most STORE_PROBE_SECONDS and a time-out of two seconds ago.  Cheap; for /readyz. */
#define STORE_PROBE_SECONDS 2
int store_health(const struct store *s);

#endif
