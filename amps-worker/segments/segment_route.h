/* segment_route.h - the files of segments.
 *
 *	/hls/<id>/~SIGNATURE/<track>/<name>	a segment, an init segment, or a part
 *	/dash/<id>/~SIGNATURE/<track>/<name>	the same without parts; a segment may still grow
 *
 * <name> is <number>.ts, or of CMAF v<number>.m4s (pictures) and a<number>.m4s (sound; b, c and so
 * on for further sounds), vp<part>.m4s and ap<part>.m4s of a part, which may have to come,
 * v<number>.mp4 and a<number>.mp4 of an init segment.
 *
 * The signature is that of the time at which the file was written, or of the part; of DASH, whose
 * segments share one address pattern, also a later one.  No token is needed. */
#ifndef AMPS_SEGMENT_ROUTE_H
#define AMPS_SEGMENT_ROUTE_H

#include "amps-worker/http/route.h"

/* A number in an address, in its only spelling, so that a file has one address.  False: it is not a
 * number, or above `max`. */
bool segment_route_number(struct span text, uint64_t max, uint32_t *ret);

void segment_route_hls(const struct request *q, struct reply *r);
void segment_route_dash(const struct request *q, struct reply *r);

#endif
