/* icy.h - titles among the sound for radios that ask for them (Icy-MetaData: 1): a block behind
 * every ICY_INTERVAL bytes of media, empty unless the title has changed. */
#ifndef AMPS_ICY_H
#define AMPS_ICY_H

#include "amps-worker/http/parse.h"
#include "common/shm/catalog.h"
#include "common/shm/guide.h"

#define ICY_INTERVAL  16000u
#define ICY_TITLE_MAX 240u	    /* bytes of a title */
#define ICY_BLOCK_MAX (1 + 16 * 16) /* the title in its frame, padded */

/* What a viewer has of it. */
struct icy {
	uint32_t left;	/* bytes of media before the next block */
	uint64_t shown; /* hash of the title that was sent last */
};

/* Does the client ask for titles? */
bool icy_asked(const struct http_request *q);

/* Writes the next block: the title of the channel's programme at this time (its own, else that of
 * the imported guide, which may be NULL), else its name.  Returns its length. */
size_t icy_block(struct icy *icy, const struct catalog *c, const struct guide *g, uint32_t channel,
		 int64_t wall_us, uint8_t to[ICY_BLOCK_MAX]);

#endif
