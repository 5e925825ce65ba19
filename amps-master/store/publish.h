/* publish.h - what the database holds -> a publication: catalog, tokens, line-up and a report of
 * what is different from the publication before.
 *
 * Used by the database thread only.  Building changes nothing; only publisher_accept() makes a
 * publication the one that the next is compared with, once its transaction is committed. */
#ifndef AMPS_PUBLISH_H
#define AMPS_PUBLISH_H

#include "amps-master/store/channel_entries.h"
#include "amps-master/store/publication.h"
#include "common/text/buf.h"

struct publisher {
	char *state_dir;
	uint64_t generation; /* of the last publication, 0 = none ever */
	uint64_t tokens_generation, tokens_hash;
	uint64_t tokens_base; /* tokens_layout.h; one for all, so that equal tokens are seen */
	struct lineup *last;  /* as it was published, or NULL */
	struct buf catalog;   /* room for the next */
};

/* 0, -ENOMEM or -EIO (no random bytes); publisher_done() also after a failure. */
must_check int publisher_init(struct publisher *p, const char *state_dir, uint64_t generation);
void publisher_done(struct publisher *p);

/* A publication that is not accepted yet. */
struct draft {
	struct publication *publication;
	uint64_t tokens_generation, tokens_hash;
};
#define DRAFT_INIT ((struct draft){0})
void draft_done(struct draft *d);

/* Builds the next generation from `settings` (the model without its channels, profiles completed),
 * `tokens` (those that the API has made) and all channels, as of wall_us.  0, or -Exxx with the
 * reason in `text`. */
must_check int publish_build(struct publisher *p, const json_t *settings, const json_t *tokens,
			     const struct channel_list *all, int64_t wall_us, struct draft *ret,
			     char *text, size_t text_cap);

/* The draft is published: keeps its line-up in the publisher and returns the publication, which is
 * the caller's. */
struct publication *publisher_accept(struct publisher *p, struct draft *d);

#endif
