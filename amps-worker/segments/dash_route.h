/* dash_route.h - the addresses below /dash.
 *
 *	/dash/<id>/manifest.mpd	the manifest; ?variant= lists that variant and no other
 *
 * Its session is that of ?s=, which the manifest's Location carries, else that of token, address
 *and user agent: a player that ignores Location is one viewer all the same.  Segments are
 * segment_route.h's. */
#ifndef AMPS_DASH_ROUTE_H
#define AMPS_DASH_ROUTE_H

#include "amps-worker/http/route.h"

void dash_route_manifest(const struct request *q, struct reply *r);

#endif
