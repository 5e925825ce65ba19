/* api_route.h - /api: who may ask for what; the master answers (api.h).
 *
 * Administrators are auth.admin_token, the tokens of role admin, and auth.token where there is no
 * admin_token; without authentication every client is one.  Other clients may read channels and
 * programmes, of their own groups. */
#ifndef AMPS_API_ROUTE_H
#define AMPS_API_ROUTE_H

#include "amps-worker/http/route.h"

void api_streams(const struct request *q, struct reply *r);
void api_stream(const struct request *q, struct reply *r);
void api_programs(const struct request *q, struct reply *r);
void api_profiles(const struct request *q, struct reply *r);
void api_plugins(const struct request *q, struct reply *r);
void api_status(const struct request *q, struct reply *r);
void api_guide_matches(const struct request *q, struct reply *r);
void api_tuners(const struct request *q, struct reply *r);
void api_tuner(const struct request *q, struct reply *r);
void api_why(const struct request *q, struct reply *r);
void api_viewers(const struct request *q, struct reply *r);
void api_viewer(const struct request *q, struct reply *r);
void api_reload(const struct request *q, struct reply *r);
void api_import(const struct request *q, struct reply *r);
void api_probe(const struct request *q, struct reply *r);
void api_links(const struct request *q, struct reply *r);
void api_tokens(const struct request *q, struct reply *r);
void api_token(const struct request *q, struct reply *r);
void api_log(const struct request *q, struct reply *r);
void api_description(const struct request *q, struct reply *r);
void api_events(const struct request *q, struct reply *r);
void api_unknown(const struct request *q, struct reply *r);

#endif
