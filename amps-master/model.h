/* model.h - the validated configuration as a JSON tree, the one form that the checker makes, the
 * database keeps and the publisher reads.
 *
 *	{"server":   {"host","port","workers" (0 =
 *auto),"user","rtsp_port","public_url","trusted_proxies",
 *	              "state_dir","runtime_dir","max_viewers","log_level","log_format",
 *	              "access_log"},
 *	 "auth":     {"enabled","token","admin_token","token_file","tokens":[{...}]},
 *	 "media_root", "media_limit_mb",
 *	 "streaming":{"idle_timeout","start_timeout","stall_timeout" (seconds,
 *real),"allow_private", "ring_seconds","max_overlap","join_ms","slow_viewer"}, "hls":{...},
 *"dash":{...}, "epg":{...}, "limits":{...}, "region":{"trust":[...]}, "plugins":[...], "profiles":
 *{NAME: {as written}}, "streams":  [{as written, scalars in their right type, no defaults filled
 *in}], "scheduled_streams": [{the same, with "schedule"}]}
 *
 * Everything outside profiles, streams and scheduled_streams has its defaults filled in; a key
 * without a value is null.  ${NAME} is already expanded.  scheduled_streams holds only entries that
 * can run.  Strings are valid UTF-8 without NUL. */
#ifndef AMPS_MODEL_H
#define AMPS_MODEL_H

#include <jansson.h>
#include "common/base.h"
#include "common/buf.h"

struct option_memory; /* option_memory.h */

enum problem_severity { PROBLEM_WARNING, PROBLEM_ERROR };

/* What was found, in file order. */
struct problems {
	json_t *list; /* [{"severity":"error","file","line","path","message"}] */
	unsigned errors, warnings;
};

/* Starts empty; 0 or -ENOMEM. */
must_check int problems_init(struct problems *p);
void problems_done(struct problems *p);
void problems_add(struct problems *p, enum problem_severity severity, const char *file, int line,
		  const char *path, const char *format, ...) printf_like(6, 7);

/* "FILE:LINE: path: message" lines (warnings say "warning: " before the message). */
void problems_format(const struct problems *p, struct buf *out);

/* Reads and checks a whole file: YAML -> tree -> rules -> option names (asks amps-transcoder
 * --check-options once for all that `memory` does not know; NULL = for all).  Returns 0 and the
 * model (owned by the caller) when no error was found (warnings may have been), -EINVAL with
 * `problems` filled, or -Exxx when the file cannot be read (then `problems` says so too). */
must_check int model_load(const char *path, struct option_memory *memory, struct problems *problems,
			  json_t **ret_model);

#endif
