/* tokens.h - /api/tokens and `amps tokens`: the tokens of auth.tokens and those that the API makes.
 *
 * A token that is made is shown once, in the answer; the database and the workers have its SHA-256.
 * The two changes run in the database thread (STORE_CHANGE), the list in the loop. */
#ifndef AMPS_API_TOKENS_H
#define AMPS_API_TOKENS_H

#include "amps-master/api/call.h"

/* What is in force, without the tokens themselves: [{"name","role","groups","max_viewers",
 * "expires","made","viewers"}].  New reference; NULL: no memory, or they cannot be read. */
json_t *api_tokens_report(const struct worker_pool *pool, unsigned worker_count);

/* Adds a token from the body of the call. */
void api_token_add(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret);

/* Revokes the one that the key of the call names. */
void api_token_revoke(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret);

#endif
