/* hls_route.h - the addresses below /hls.
 *
 *	/hls/<id>/index.m3u8	multivariant playlist; begins a session
 *	/hls/<id>/media.m3u8	media playlist of ?variant=, for the session ?s=; of CMAF with
 *?track=
 *	/hls/<id>.m3u8		media playlist alone, of TS; its viewer is token, address and user
 *agent /hls/<id>/~SIGNATURE/<track>/<number>.ts	a segment; of CMAF v<number>.m4s,
 *a<number>.m4s /hls/<id>/~SIGNATURE/<track>/vp<part>.m4s	a part of one (ap<part>.m4s); it may
 *have to come /hls/<id>/~SIGNATURE/<track>/v<number>.mp4	an init segment (a<number>.mp4)
 *
 * A session stands for the token that began it, which is looked up again with each request.  A
 * segment needs no token: its signature is in its address. */
#ifndef AMPS_HLS_ROUTE_H
#define AMPS_HLS_ROUTE_H

#include "amps-worker/http/route.h"

void hls_route_index(const struct request *q, struct reply *r);
void hls_route_media(const struct request *q, struct reply *r);
void hls_route_single(const struct request *q, struct reply *r);
void hls_route_segment(const struct request *q, struct reply *r);

/* Any other address below /hls, and all below /dash: browsers can read the error. */
void hls_route_nothing(const struct request *q, struct reply *r);

#endif
