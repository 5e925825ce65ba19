/* model.h - the validated configuration as a JSON tree.  The checker makes it, the database stores
 * it and the publisher reads it.
 *
 *	{"server":   {"host","port","workers" (0 = auto),"user","rtsp_port" (null = the default, 0 =
 *off, -1 = any), "rtp_port","public_url",
 *	              "trusted_proxies","state_dir","runtime_dir","max_viewers","log_level",
 *	              "log_format","access_log"},
 *	 "auth":     {"enabled","token","admin_token","token_file","tokens":[{...}]},
 *	 "media_root", "media_limit_mb",
 *	 "streaming":{"idle_timeout","start_timeout","stall_timeout" (seconds, real),
 *	              "allow_private","ring_seconds","return_after","max_overlap","join_ms",
 *	              "slow_viewer"},
 *	 "hls":{...}, "dash":{...}, "epg":{...}, "limits":{...}, "region":{"trust":[...],"geoip"},
 *	 "hooks":{...},
 *	 "plugins":[...],
 *	 "profiles": {NAME: {as written}},
 *	 "streams":  [{as written, scalars in their right type, no defaults filled in}],
 *	 "scheduled_streams": [{the same, with "schedule"}]}
 *
 * Everything outside profiles, streams and scheduled_streams has its defaults filled in; a key
 * without a value is null.  ${NAME} is already expanded.  scheduled_streams holds only entries that
 * can run.  Strings are valid UTF-8 without NUL. */
#ifndef AMPS_MODEL_H
#define AMPS_MODEL_H

#include "amps-master/config/option_memory.h"
#include "amps-master/config/problems.h"

/* Reads and checks a whole file: YAML -> tree -> rules -> option names (runs amps-transcoder
 * --check-options once for those that `memory` has no verdict on; NULL = for all).  0 and the
 * model (owned by the caller) if there are no errors, only warnings or nothing; -EINVAL with
 * `problems` filled; -Exxx if the file cannot be read (`problems` then says so). */
must_check int model_load(const char *path, struct option_memory *memory, struct problems *problems,
			  json_t **ret_model);

#endif
