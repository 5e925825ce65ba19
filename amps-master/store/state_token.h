/* state_token.h - the shared token: auth.token, else auth.token_file, else one made by ourselves
 * and kept in <state_dir>/token (0600).  Used by the database thread only. */
#ifndef AMPS_STATE_TOKEN_H
#define AMPS_STATE_TOKEN_H

#include <jansson.h>
#include "common/base.h"
#include "common/limits.h"

struct state_token {
	char token[TOKEN_BYTES_MAX + 1]; /* without blanks around it */
	char made_path[4096];		 /* where ours is kept; "" if the configuration names one */
};

/* Finds or makes it.  0, or -Exxx with the reason in `text` (a file that cannot be read or written,
 * is empty, or holds more than TOKEN_BYTES_MAX bytes). */
must_check int state_token_find(const json_t *auth, const char *state_dir, struct state_token *ret,
				char *text, size_t text_cap);

#endif
