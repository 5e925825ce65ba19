/* selection.h - which channels a client has asked for and may see: the filters of the playlist and
 * of the guide.
 *
 * Embedded in a list that is being written; texts and catalog are borrowed from it. */
#ifndef AMPS_SELECTION_H
#define AMPS_SELECTION_H

#include "amps-worker/http/request.h"

struct buf;
struct reply;
struct id_filter;

struct selection {
	const struct catalog *catalog;
	const char *region;		 /* "" = unknown */
	const char *groups;		 /* comma list, "" = all */
	const char *ids;		 /* comma list, "" = all */
	const struct token_entry *token; /* limits the groups; NULL = no limit */
	int64_t wall_us;
	int64_t expires_us; /* when something may first differ; INT64_MAX at first */
	int64_t changed_us; /* when something last differed by time alone; 0 = never */
	struct id_filter *filter;
	const char *seen_group; /* the last group compared, and whether it is wanted */
	bool seen_wanted;
};

/* Completes a selection whose members down to wall_us are set.  0 or -ENOMEM. */
must_check int selection_begin(struct selection *s);
void selection_end(struct selection *s); /* accepts a zeroed one */

/* Does it contain this channel, and is the channel on air? */
bool selection_has(struct selection *s, const struct catalog_channel *ch);

/* What is written changes at this time, or has changed then; TIME_NONE is no time. */
void selection_expire(struct selection *s, int64_t us);

/* Ends the key of a kept body with what any body about channels depends on: the catalog, the
 * imported guide, these texts of the request, and the groups of its token (NULL = no limit). */
void selection_add_key(struct buf *key, const struct facts *f, const char *const *texts,
		       size_t count, const struct token_entry *token);

/* Reads the value of a filter; an absent one is empty.  False: an error is the answer. */
must_check bool selection_read(const struct request *q, const char *name, char *dst, size_t cap,
			       struct reply *r);

/* The same of a switch: "false", "no" and "0" are off, any other text is on; an absent one leaves
 * *ret. */
must_check bool selection_read_switch(const struct request *q, const char *name, bool *ret,
				      struct reply *r);

#endif
