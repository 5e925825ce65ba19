/* reload.h - reads the configuration again while the server runs.
 *
 *	IDLE -> LOADING (helper process) -> STORING (database thread) -> APPLIED (workers) -> IDLE
 *
 * Requests that arrive during a reload are answered together by one more reload that starts after
 * it, because the file may have changed since it was read.  Owned by the master, used in its loop
 * only. */
#ifndef AMPS_RELOAD_H
#define AMPS_RELOAD_H

#include "amps-master/children/worker_pool.h"
#include "amps-master/store/store.h"
#include "amps-master/system/helper.h"

struct reload;

/* The outcome; everything is borrowed for the call. */
struct reload_result {
	int error; /* 0, or -Exxx and `text` */
	const char *text;
	const json_t *problems; /* of a refused file, or NULL */
	const json_t *report;	/* {"added","changed","removed","warnings"}, when error is 0 */
};

struct reload_env {
	struct helpers *helpers; /* borrowed, as the next three are */
	struct store *store;
	struct worker_pool *pool;
	const char *const *loader_argv;
	void *owner;
	/* Applies a new publication.  The caller frees `p` and what is left in it. */
	void (*apply)(void *owner, struct publication *p);
	/* Called once for each request with its ticket, and once a run for all signals (ticket 0).
	 */
	void (*done)(void *owner, uint64_t ticket, const struct reload_result *result);
};

/* 0 or -ENOMEM. */
must_check int reload_new(const struct reload_env *env, struct reload **ret);
struct reload *reload_free(struct reload *r); /* returns NULL; accepts NULL */

/* `ticket` 0: a signal; `discard`: changes of the API to drop.  All requests of one run have the
 * effect of each. */
void reload_request(struct reload *r, uint64_t ticket, const struct discard *discard);

#endif
