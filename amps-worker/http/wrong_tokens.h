/* wrong_tokens.h - clients that send wrong tokens: more than WRONG_TOKENS_MAX within
 * WRONG_TOKENS_S are refused with 429.  A right token is always served, because many clients may
 * share one address.
 *
 * Each worker notes what it sees in its own page (struct wrong_tokens), and reads the pages of all,
 * so the limit holds for the server.  Memory is bounded: a client takes the place of the one in its
 * set that has been quiet for longest. */
#ifndef AMPS_WRONG_TOKENS_H
#define AMPS_WRONG_TOKENS_H

#include "amps-worker/http/request.h"

/* The request carries a wrong token: notes it, and logs when its client reaches the limit.  True:
 * the client had sent as many as it may before.  Never blocks or allocates. */
bool wrong_tokens_over(const struct request *q);

#endif
