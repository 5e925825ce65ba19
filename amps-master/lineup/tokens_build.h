/* tokens_build.h - the model's `auth` -> the bytes of a tokens snapshot
 * (common/shm/tokens_layout.h).
 *
 * Pure, any thread. */
#ifndef AMPS_TOKENS_BUILD_H
#define AMPS_TOKENS_BUILD_H

#include <jansson.h>
#include "common/base.h"
#include "common/text/buf.h"

/* `made`: the tokens that the API has made, an array of entries like those of auth.tokens.
 * `shared` is the shared token, NULL where auth is off (then the snapshot is empty).  The header's
 * generation is left 0 for the caller.  `base` is random and odd (tokens_layout.h).  An invalid
 * entry admits no client and gets a line in `warnings` (an array).  Fills the empty `out`.  0,
 * -ENOMEM, or -E2BIG (over TOKENS_MAX). */
must_check int tokens_build(const json_t *auth, const json_t *made, const char *shared,
			    uint64_t base, json_t *warnings, struct buf *out);

#endif
