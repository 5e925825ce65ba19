/* dash_answer.h - manifests of DASH and segments that grow as answers, now or after a wait. */
#ifndef AMPS_DASH_ANSWER_H
#define AMPS_DASH_ANSWER_H

#include "amps-worker/segments/segments.h"

#define DASH_TYPE "application/dash+xml"

enum dash_what { DASH_MANIFEST, DASH_SEGMENT };

/* What is asked for.  A held reply keeps it, so nothing in it is borrowed. */
struct dash_asked {
	struct rendition_wait wait; /* &dash_calls */
	enum dash_what what;
	uint32_t channel;
	/* a manifest */
	char variant[VARIANT_NAME_MAX + 1]; /* that is listed first; "" = the channel itself */
	bool alone;			    /* no other variant is listed */
	char session[SESSION_TEXT + 1];	    /* for the next request */
	char region[3];			    /* the same; "" = none */
	uint64_t late_us;		    /* variants that are not there by then are left out */
	/* a segment */
	struct rendition_track track;
	uint32_t number;
	bool whole; /* waits until it is complete */
};

/* Begins the renditions that the manifest lists: the pictures of all variants, and the sounds.  The
 * first one, or NULL without memory. */
struct rendition *dash_renditions(struct segments *s, const struct dash_asked *asked, bool begins);

/* The rendition of a segment that grows, or will come; NULL: there is none, or it will not. */
struct rendition *dash_segment_rendition(struct segments *s, const struct dash_asked *asked);

/* Answers from the rendition, or holds the reply until there is what it waits for.  A segment that
 * grows is sent as far as it goes, unless it is to be whole; reply->follow() then finds the rest.
 */
void dash_answer_or_hold(struct segments *s, struct rendition *rendition,
			 const struct dash_asked *asked, struct reply *r);

extern const struct rendition_calls dash_calls;

#endif
