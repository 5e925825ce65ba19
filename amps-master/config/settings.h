/* settings.h - what the master itself needs from the configuration.  It is fixed at the start,
 * except for the log level, the public URL, the access log and the limit of segments, which a
 * reload changes.
 *
 * Other keys that take effect on a reload are in the catalog and the line-up. */
#ifndef AMPS_SETTINGS_H
#define AMPS_SETTINGS_H

#include <jansson.h>
#include <limits.h>
#include "common/base.h"
#include "common/log/log.h"

struct settings {
	json_t *server; /* as it was at the start; owns the texts of `host` and `user`; owned */
	const char *host;
	const char *user; /* to become if root starts the server; NULL = not given */
	uint16_t port;
	enum { RTSP_OFF, RTSP_DEFAULT, RTSP_CHOSEN } rtsp;
	uint16_t rtsp_port, rtp_port; /* 0 = any */
	unsigned workers;	      /* resolved: never 0 */
	json_t *public_url;	      /* a string or NULL; owned */
	json_t *access_log;	      /* likewise */
	char state_dir[PATH_MAX];
	char runtime_dir[PATH_MAX];
	char media_root_path[PATH_MAX];
	const char *media_root; /* media_root_path, or NULL: not given */
	uint64_t media_limit_mb;
	enum log_level log_level;
	bool log_json;
	bool auth_enabled;
	const char *token_from; /* says where the shared token is; NULL = in state_dir */
};

/* Takes the validated model's settings.  0 or -Exxx with the reason in `text`. */
must_check int settings_read(struct settings *s, json_t *model, char *text, size_t text_cap);

/* The state folder alone, from the model's `server`.  0 or -Exxx. */
must_check int settings_state_dir(const json_t *server, char dst[PATH_MAX]);

/* Applies `server`, `media_root` and `media_limit_mb` of a reloaded model, and appends a line to
 * `warnings` for each key that has changed but takes effect at the next start only. */
void settings_follow(struct settings *s, const json_t *model, json_t *warnings);

void settings_done(struct settings *s); /* accepts a zeroed struct */

/* The address to open in a browser. */
void settings_url(const struct settings *s, uint16_t port, char *dst, size_t cap);

#endif
