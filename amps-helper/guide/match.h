/* match.h - which channel of a guide belongs to which of the line-up.
 *
 * A target is a guide id of the line-up with the names of its channels.  It matches the channel of
 * the guide with the same id, else the only one with the same name, else the only one with the same
 * name read loosely (name.h).  What would match several matches nothing. */
#ifndef AMPS_GUIDE_MATCH_H
#define AMPS_GUIDE_MATCH_H

#include <jansson.h>
#include "common/base.h"

#define GUIDE_NONE	UINT32_MAX
#define GUIDE_HINTS_MAX 3

struct guide_match;

enum guide_how { GUIDE_NOTHING, GUIDE_BY_ID, GUIDE_BY_NAME, GUIDE_AMBIGUOUS };

struct guide_target {
	const char *id;
	enum guide_how how;
	uint32_t channel; /* of the guide; GUIDE_NONE */
	/* without a match: those that it would match, or whose names have most words in common */
	uint32_t hints[GUIDE_HINTS_MAX];
	size_t hint_count;
};

/* `targets`: [[id, name, ...], ...].  0, -EINVAL or -ENOMEM. */
must_check int guide_match_new(const json_t *targets, struct guide_match **ret);
void guide_match_free(struct guide_match *m); /* accepts NULL */

/* The number of the guide's channel with this id, which is new or known.  -E2BIG, -ENOMEM. */
must_check int guide_match_channel(struct guide_match *m, const char *id, uint32_t *ret);
/* One more name of it.  0 or -ENOMEM. */
must_check int guide_match_name(struct guide_match *m, uint32_t channel, const char *name);
/* May it match a target, as far as its names are known? */
bool guide_match_may(const struct guide_match *m, uint32_t channel);
const char *guide_match_channel_id(const struct guide_match *m, uint32_t channel);
/* Its first name, else its id. */
const char *guide_match_channel_name(const struct guide_match *m, uint32_t channel);
uint32_t guide_match_channel_count(const struct guide_match *m);

/* Decides; all channels are known. */
void guide_match_resolve(struct guide_match *m);
size_t guide_match_target_count(const struct guide_match *m);
const struct guide_target *guide_match_target(const struct guide_match *m, size_t index);

#endif
