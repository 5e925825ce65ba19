/* settings.h - what the master itself needs of the configuration: fixed at its start but for the
 * log level, the public URL and the access log, which follow a reload.
 *
 * Other keys that act at once on a reload are in the catalog and the line-up instead. */
#ifndef AMPS_SETTINGS_H
#define AMPS_SETTINGS_H

#include <jansson.h>
#include <limits.h>
#include "common/base.h"
#include "common/log/log.h"

struct settings {
	json_t *server; /* as it was at the start; keeps `host` and `user`; owned */
	const char *host;
	const char *user; /* to become when root started us; NULL = not given */
	uint16_t port;
	unsigned workers;   /* resolved: never 0 */
	json_t *public_url; /* a string or NULL; owned */
	json_t *access_log; /* likewise */
	char state_dir[PATH_MAX];
	char runtime_dir[PATH_MAX];
	enum log_level log_level;
	bool log_json;
	bool auth_enabled;
	const char *token_from; /* where the shared token is, in words */
};

/* Takes the validated model's settings.  0 or -Exxx with the reason in `text`. */
must_check int settings_read(struct settings *s, json_t *model, char *text, size_t text_cap);

/* The state folder alone, from the model's `server`.  0 or -Exxx. */
must_check int settings_state_dir(const json_t *server, char dst[PATH_MAX]);

/* Follows `server` of a reloaded model where that is possible, and appends a line to `warnings` for
 * each key that differs from the running server and acts at the next start only. */
void settings_follow(struct settings *s, const json_t *server, json_t *warnings);

void settings_done(struct settings *s); /* accepts a zeroed struct */

/* The address to open in a browser. */
void settings_url(const struct settings *s, uint16_t port, char *dst, size_t cap);

#endif
