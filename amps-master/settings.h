/* settings.h - what the master itself needs of the configuration, read once at its start.
 *
 * Keys that act at once on a reload are in the catalog and the line-up instead. */
#ifndef AMPS_SETTINGS_H
#define AMPS_SETTINGS_H

#include <jansson.h>
#include <limits.h>
#include "common/base.h"
#include "common/log.h"

struct settings {
	json_t *model; /* keeps what is borrowed below; owned */
	const char *host;
	uint16_t port;
	unsigned workers;	/* resolved: never 0 */
	const char *public_url; /* or NULL */
	char state_dir[PATH_MAX];
	char runtime_dir[PATH_MAX];
	enum log_level log_level;
	bool log_json;
	bool auth_enabled;
	const char *token_from; /* where the shared token is, in words */
};

/* Takes the validated model's settings; keeps a reference to it.  0 or -Exxx with the reason in
 * `text`. */
must_check int settings_read(struct settings *s, json_t *model, char *text, size_t text_cap);
void settings_done(struct settings *s); /* accepts a zeroed struct */

/* The address to open in a browser. */
void settings_url(const struct settings *s, uint16_t port, char *dst, size_t cap);

#endif
