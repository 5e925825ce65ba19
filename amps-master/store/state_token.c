#include "amps-master/store/state_token.h"

#include <stdio.h>
#include <string.h>
#include "amps-master/store/state_secret.h"
#include "amps-master/util/json.h"

#define MADE_TOKEN_BYTES 16

static int explain(int error, const char *what, const char *path, char *text, size_t cap)
{
	if (error == -EINVAL)
		snprintf(text, cap, "%s %s holds no token", what, path);
	else if (error == -EMSGSIZE)
		snprintf(text, cap, "%s %s holds more than a token of %d bytes", what, path,
			 TOKEN_BYTES_MAX);
	else
		snprintf(text, cap, "%s %s: %s", what, path, strerror(-error));
	return error;
}

/* The token of an earlier start, else a new one. */
static int token_keep(const char *state_dir, struct state_token *t, char *text, size_t cap)
{
	int r;

	if ((size_t)snprintf(t->made_path, sizeof(t->made_path), "%s/token", state_dir) >=
	    sizeof(t->made_path))
		return explain(-ENAMETOOLONG, "the token's folder", state_dir, text, cap);
	r = state_secret_keep(t->made_path, MADE_TOKEN_BYTES, t->token);
	return r < 0 ? explain(r, "the token file", t->made_path, text, cap) : 0;
}

int state_token_find(const json_t *auth, const char *state_dir, struct state_token *ret, char *text,
		     size_t text_cap)
{
	char scratch[32];
	const char *token = json_read_text(auth, "token", scratch);
	const char *file = json_read_text(auth, "token_file", scratch);
	struct state_token t = {0};
	int r = 0;

	if (token != NULL && strlen(token) > TOKEN_BYTES_MAX)
		r = explain(-EMSGSIZE, "the key", "auth.token", text, text_cap);
	else if (token != NULL)
		memcpy(t.token, token, strlen(token));
	else if (file != NULL) {
		r = state_secret_read(file, t.token);
		if (r < 0)
			explain(r, "auth.token_file", file, text, text_cap);
	} else {
		r = token_keep(state_dir, &t, text, text_cap);
	}
	if (r == 0)
		*ret = t;
	return r;
}
