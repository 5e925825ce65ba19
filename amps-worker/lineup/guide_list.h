/* guide_list.h - the programmes of a selection of channels as XMLTV or JSON, written step by step.
 *
 * A channel's own programmes (next_programs) are shown as long as one of them is not over, else the
 * imported ones.  XMLTV: all channels, then all programmes; the imported ones are not copied, but
 * follow the text (struct body_follow).  Channels that share an id (epg_id) are one channel
 * there.  JSON: an array of {id, epg_id, name, group, logo, programs}. */
#ifndef AMPS_GUIDE_LIST_H
#define AMPS_GUIDE_LIST_H

#include "amps-worker/http/body.h"
#include "common/shm/catalog.h"
#include "common/shm/guide.h"
#include "common/shm/tokens.h"
#include "common/text/buf.h"

enum guide_form { GUIDE_XML, GUIDE_JSON, GUIDE_JSON_NOW };

struct guide_params {
	enum guide_form form;
	const char *base;		 /* "http://host:5000" */
	const char *region;		 /* "" = unknown */
	const char *link_region;	 /* region to repeat in links, "" = none */
	const char *link_token;		 /* "" = none */
	const char *groups;		 /* comma list, "" = all */
	const char *ids;		 /* comma list, "" = all */
	const struct token_entry *token; /* limits the groups; NULL = no limit */
	int64_t wall_us;
};

/* Copies what it needs; `g` may be NULL.  NULL without memory. */
struct guide_list;
struct guide_list *guide_list_begin(const struct catalog *c, const struct guide *g,
				    const struct guide_params *p);
void guide_list_end(struct guide_list *list); /* accepts NULL */

/* Appends some channels.  1, or 0 if the document is complete: *ret_expires_us is then the wall
 * time at which it would first differ, or INT64_MAX.  -ENOMEM, or -EFBIG: JSON of more than
 * GUIDE_JSON_MAX bytes. */
must_check int guide_list_step(struct guide_list *list, struct buf *out, int64_t *ret_expires_us);

/* What follows the text of a complete document of XMLTV, which the caller takes; NULL for JSON. */
struct body_follow *guide_list_follow(struct guide_list *list);

/* When what a complete document shows last differed by time alone; 0 = never. */
int64_t guide_list_changed_us(const struct guide_list *list);

#endif
