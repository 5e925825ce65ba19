/* admission.h - may this client watch that channel?  Every media route checks this first.
 *
 * Each function answers the request with the error itself. */
#ifndef AMPS_ADMISSION_H
#define AMPS_ADMISSION_H

#include "amps-worker/http/route.h"

/* The channel with this id as the path has it, on the air now; or NULL and a 404. */
const struct catalog_channel *admission_channel(const struct request *q, struct span id,
						struct reply *r);

/* Region and the token's groups; 403. */
bool admission_allowed(const struct request *q, const struct catalog_channel *channel,
		       struct reply *r);

/* Does the token allow one more viewer, by the pages of all workers?  Among viewers that begin at
 * the same moment the master decides (grants.h); this refuses the others without a question. */
bool admission_token_room(const struct request *q);

/* Answers 429: the token has no room for one more viewer. */
void admission_refuse_token(struct reply *r);

/* Why the master refuses a grant (grants.h) to a viewer of this token: 429, as above, or 401: there
 * is no such token any more. */
struct context;
const struct held_error *admission_refused_grant(const struct context *x, uint64_t token);

/* ?variant=: *ret is NULL for the channel's own profile; 400, 404. */
bool admission_variant(const struct request *q, const struct catalog_channel *channel,
		       struct reply *r, const struct catalog_variant **ret);

/* Can the channel, or the variant, play at all?  502 with the reason. */
bool admission_playable(const struct request *q, const struct catalog_channel *channel,
			const struct catalog_variant *variant, struct reply *r);

/* The name of the request's token in records (tokens_name()); 0 = none. */
uint64_t admission_token_name(const struct request *q);

#endif
