/* discard.h - which changes of the API a reload drops: the file's entries are in force again, and
 * channels that the API has made go. */
#ifndef AMPS_DISCARD_H
#define AMPS_DISCARD_H

#include <jansson.h>
#include "common/base.h"

#define DISCARD_KEY	"discard_api_changes"
#define DISCARD_IDS_MAX 64

struct discard {
	bool all;
	size_t count;
	uint32_t ids[DISCARD_IDS_MAX];
};
#define DISCARD_NOTHING ((struct discard){0})

/* Reads DISCARD_KEY of an object: true, false, or the id of a channel; without it, nothing.  0 or
 * -EINVAL. */
must_check int discard_read(const json_t *params, struct discard *ret);

bool discard_has(const struct discard *d, uint32_t id);

/* Adds another.  0, or -E2BIG: there are too many ids. */
must_check int discard_add(struct discard *d, const struct discard *more);

#endif
