/* stream_route.h - /stream/<id>, /stream/<id>.ts, /ws/<id> and /audio/<id>: may this client watch,
 * and which output?
 *
 * Answers errors, or REPLY_STREAM with the parameters of a viewer, which the connection then
 * starts; HEAD gets the same head and starts nothing.  404 for an unknown channel or variant and
 * for one that is off the air, 403 for a region or a token's groups, 502 with the reason for a
 * channel that cannot play. */
#ifndef AMPS_STREAM_ROUTE_H
#define AMPS_STREAM_ROUTE_H

#include "amps-worker/http/route.h"

struct stream_params;

/* The same checks for a request of RTSP, whose path names the channel in q->segment[0].  False: the
 * error is in r. */
bool stream_route_params(const struct request *q, struct stream_params *ret, struct reply *r);

/* Always MPEG-TS. */
void stream_route_ts(const struct request *q, struct reply *r);

/* The channel's own form, unless ?format= names another. */
void stream_route_any(const struct request *q, struct reply *r);

/* Either, in the frames of a WebSocket. */
void stream_route_websocket(const struct request *q, struct reply *r);

/* Sound alone, as ADTS; ?lang= chooses the language. */
void stream_route_audio(const struct request *q, struct reply *r);

#endif
