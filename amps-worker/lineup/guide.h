/* guide.h - /epg.xml, /epg.xml.gz and /api/epg: the programmes of the channels that one client may
 * see.
 *
 * Filters as of the playlist: region, group, ids.  A document is made in slices (body_maker.h) and
 * kept in the body cache. */
#ifndef AMPS_GUIDE_H
#define AMPS_GUIDE_H

#include "amps-worker/http/route.h"

void guide_xml(const struct request *q, struct reply *r);
void guide_xml_gz(const struct request *q, struct reply *r);
void guide_json(const struct request *q, struct reply *r); /* ?now=true: now and next only */

#endif
