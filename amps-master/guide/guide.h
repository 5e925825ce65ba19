/* guide.h - imports guides (epg.sources) and publishes them.
 *
 * A source, one at a time:
 *
 *	due -> the thread describes the import -> amps-helper fetches, reads, matches
 *	    -> the thread keeps its file and joins all files to a snapshot -> published
 *
 * Whatever fails, what was imported last stays.  The next try is made later, after a time that is
 * doubled with each failure.  A source is due at the start (if its file is older than `refresh`),
 * after `refresh`, after a reload, when asked for, and when the line-up has changed.
 *
 * Owned by the master, used in its loop only. */
#ifndef AMPS_MASTER_GUIDE_H
#define AMPS_MASTER_GUIDE_H

#include <event2/event.h>
#include <jansson.h>
#include "amps-master/guide/guide_now.h"
#include "amps-master/store/publication.h"
#include "amps-master/system/helper.h"

struct guide_importer;

struct guide_env {
	struct event_base *base;
	struct helpers *helpers;
	const char *state_dir;
	void *owner;
	/* A snapshot to publish; takes it out of *p. */
	void (*publish)(void *owner, struct published *p);
	guide_now_fn answer_now; /* answers guide_ask_now() */
};

/* 0 or -Exxx. */
must_check int guide_new(const struct guide_env *env, struct guide_importer **ret);
struct guide_importer *guide_free(struct guide_importer *g); /* returns NULL; accepts NULL */

/* A publication is applied: its catalog is what guides are matched with from now on, and its
 * settings, if it has any, name the sources.  `reload`: they are fetched again. */
void guide_follow(struct guide_importer *g, const struct publication *p, bool reload);

/* True once the guide was published for the first time, or could not be made. */
bool guide_begun(const struct guide_importer *g);

/* All sources are due now. */
void guide_refresh(struct guide_importer *g);

/* [{"source", "state", "fetched", "next", "programmes", "channels", "matched", "error"}].  A new
 * reference or NULL. */
json_t *guide_report(const struct guide_importer *g);
/* Which channel matched what (guide_files.h); borrowed until the next turn of the loop. */
const struct guide_text_file *guide_matches(const struct guide_importer *g);
void guide_ask_now(struct guide_importer *g, uint64_t ticket); /* guide_now.h */

#endif
