/* hls_route.h - the addresses below /hls.
 *
 *	/hls/<id>/index.m3u8	multivariant playlist; begins a session
 *	/hls/<id>/media.m3u8	media playlist of ?variant=, for the session ?s=; of CMAF with
 *				?track=picture or sound, and ?lang= for a further sound
 *	/hls/<id>.m3u8		media playlist alone, of TS; its viewer is token, address and user
 *				agent
 *
 * A session stands for the token that began it, which is looked up again with each request.
 * Segments are segment_route.h's. */
#ifndef AMPS_HLS_ROUTE_H
#define AMPS_HLS_ROUTE_H

#include "amps-worker/http/route.h"

void hls_route_index(const struct request *q, struct reply *r);
void hls_route_media(const struct request *q, struct reply *r);
void hls_route_single(const struct request *q, struct reply *r);

/* Any other address below /hls and /dash: browsers can read the error. */
void hls_route_nothing(const struct request *q, struct reply *r);

#endif
