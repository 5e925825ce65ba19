/* hls_answer.h - the playlists of HLS as answers, now or after a wait. */
#ifndef AMPS_HLS_ANSWER_H
#define AMPS_HLS_ANSWER_H

#include "amps-worker/segments/segments.h"

#define HLS_TYPE "application/vnd.apple.mpegurl"

/* What is asked for.  A held reply keeps it, so nothing in it is borrowed. */
struct hls_asked {
	uint32_t channel;
	char variant[VARIANT_NAME_MAX +
		     1]; /* that is played first; "" = the channel's own profile */
	bool multivariant;
	/* of a multivariant playlist */
	bool alone; /* lists that variant and no other */
	char session[SESSION_TEXT + 1];
	char region[3]; /* for its links; "" = none */
	/* of a media playlist: it stands beside the channel's folder, not in it */
	bool beside;
};

/* Answers from the rendition of asked->variant, or holds the reply until that is ready. */
void hls_answer_or_hold(struct segments *s, struct rendition *rendition,
			const struct hls_asked *asked, struct reply *r);

/* For segments_init(). */
rendition_answer hls_answer;

#endif
