/* hls_answer.h - the playlists of HLS as answers, now or after a wait. */
#ifndef AMPS_HLS_ANSWER_H
#define AMPS_HLS_ANSWER_H

#include "amps-worker/segments/segments.h"

#define HLS_TYPE "application/vnd.apple.mpegurl"

enum hls_what { HLS_MULTIVARIANT, HLS_MEDIA, HLS_PART };

/* What is asked for.  A held reply keeps it, so nothing in it is borrowed. */
struct hls_asked {
	struct rendition_wait wait; /* &hls_calls */
	enum hls_what what;
	uint32_t channel;
	enum output_form form;
	char sound[SEGMENT_SOUND_MAX]; /* name of a further sound (segment.h); "" = the usual one */
	/* for links between playlists; "" = none */
	struct session_name session; /* for its links; its text would take three times as much */
	char region[3];
	bool alone; /* a multivariant playlist: lists that variant and no other */
	/* a media playlist */
	bool unjudged; /* it waits in the usual sound, which tells whether there is `sound` */
	bool beside;   /* of TS: it stands beside the channel's folder, not in it */
	bool blocks;   /* _HLS_msn: waits for ... */
	bool has_part; /* _HLS_part: this part of ... */
	bool skip;     /* _HLS_skip: a delta update */
	union {
		/* ... this segment; of HLS_PART: the part's running number */
		struct {
			uint32_t number, part;
		};
		/* of HLS_MULTIVARIANT: tracks that are not there by then are left out */
		uint64_t late_us;
	};
	/* that is played first; "" = the channel's own profile.  A held reply keeps no more of it
	 * than the name's length. */
	char variant[VARIANT_NAME_MAX + 1];
};

/* Answers from the rendition of asked->variant, or holds the reply until there is what it waits
 * for. */
void hls_answer_or_hold(struct segments *s, struct rendition *rendition,
			const struct hls_asked *asked, struct reply *r);

extern const struct rendition_calls hls_calls;

#endif
