/* dash_text.h - the text of a live manifest of DASH (ISO/IEC 23009-1), from the segments of its
 * tracks.  Pure.
 *
 * Times in the files are since 1970, and so is the presentation's time: a Period only says from
 * when on.  One begins at each discontinuity and where the first track has another init segment;
 * its id and its start stay as long as it is listed.  The URL pattern of segments has the signature
 * of the time at which the manifest is made (segment_route.h).
 *
 * Where segments of pictures are as long as each other, the segment that grows and the one behind
 * it are listed too, and players may ask for each as soon as its first part is there. */
#ifndef AMPS_DASH_TEXT_H
#define AMPS_DASH_TEXT_H

#include "amps-worker/segments/dash_list.h"
#include "amps-worker/segments/signature.h"
#include "common/text/buf.h"

#define DASH_AHEAD 2u /* segments behind the newest complete one that may be listed */

/* A stream of pictures or sound. */
struct dash_track {
	char kind; /* first letter of its files (segment.h): 'v' for pictures */
	struct segment_media media;
	struct dash_list list; /* not empty */
};

struct dash_manifest {
	const uint8_t *key;
	uint32_t channel;
	const struct dash_track *tracks; /* the first one says where Periods begin */
	size_t count;			 /* > 0 */
	/* for the address of the next request; "" = none */
	const char *variant, *region, *session;
	int64_t wall_us; /* now */
	uint32_t window_ms;
	bool ended; /* nothing will follow */
};

void dash_text_manifest(struct buf *b, const struct dash_manifest *m);

#endif
