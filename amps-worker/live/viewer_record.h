/* viewer_record.h - a viewer's record in the worker's page.
 *
 * Records are taken from a stack, so that those in use stay near the page's start; how many were
 * ever used is told in the page. */
#ifndef AMPS_VIEWER_RECORD_H
#define AMPS_VIEWER_RECORD_H

#include "amps-worker/live/viewer.h"

/* Is there a free record? */
bool viewer_record_free(const struct worker *w);

/* Fills a record for this viewer and publishes it; there must be a free one. */
void viewer_record_take(struct viewer *v, const struct http_request *q,
			const struct stream_wish *wish);
void viewer_record_give(struct viewer *v);

/* The viewer reads this output now (UINT32_MAX: none); the page counts it there. */
void viewer_record_set_output(struct viewer *v, uint32_t slot);

/* The viewer with this serial, or NULL. */
struct viewer *viewer_record_find(const struct worker *w, uint64_t serial);

#endif
