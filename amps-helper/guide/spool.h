/* spool.h - the programmes that an import keeps, until they are sorted: their elements in a
 * file in memory, the rest in a table. */
#ifndef AMPS_GUIDE_SPOOL_H
#define AMPS_GUIDE_SPOOL_H

#include "common/base.h"
#include "common/text/buf.h"

#define GUIDE_NO_END 0u

struct spooled {
	uint64_t at;		 /* in the file */
	uint32_t channel;	 /* of the guide */
	uint32_t start_s, end_s; /* since 1970; GUIDE_NO_END: not known */
	uint16_t bytes;
	uint16_t title_at, title_bytes; /* of the elements */
	uint16_t desc_at, desc_bytes;
};

struct guide_spool {
	int fd; /* a file in memory; borrowed */
	struct spooled *list;
	size_t count, cap;
	struct buf pending; /* elements that are not written yet */
	uint64_t written;
};

/* Keeps a programme whose elements are `bytes`; sets p->at.  0, -E2BIG (too many), or -Exxx. */
must_check int guide_spool_add(struct guide_spool *s, const struct spooled *p, const char *bytes);

/* Sorts by channel and time.  Completes ends: an unknown one is the next start, the last is
 * GUIDE_LAST_S long; one behind the next start is cut; of those that start together the first
 * stays. Drops what is over by `from_s`.  0 or -Exxx. */
must_check int guide_spool_finish(struct guide_spool *s, int64_t from_s);

/* The programmes of a channel, or NULL: none; count in *ret_count. */
const struct spooled *guide_spool_of(const struct guide_spool *s, uint32_t channel,
				     size_t *ret_count);

/* Reads the elements of a programme.  0 or -Exxx. */
must_check int guide_spool_read(const struct guide_spool *s, const struct spooled *p, char *dst);

void guide_spool_done(struct guide_spool *s);

#endif
