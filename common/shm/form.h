/* form.h - what identifies an output of a channel, and the forms in which its media lie in a ring.
 */
#ifndef AMPS_FORM_H
#define AMPS_FORM_H

#include <string.h>
#include "common/base.h"
#include "common/limits.h"

enum output_form {
	OUTPUT_TS,   /* a transport stream (ISO 13818-1) */
	OUTPUT_ADTS, /* sound alone: AAC in ADTS (ISO 13818-7) */
	/* the index of a transport stream's segments, which are files; segment.h has its unit */
	OUTPUT_HLS_TS,
	/* the index of segments of fragmented MP4 (ISO 23000-19): of the picture, or of the
	 * sound */
	OUTPUT_CMAF_PICTURE,
	OUTPUT_CMAF_SOUND,
	OUTPUT_MP4, /* fragments of MP4 (ISO 14496-12) with picture and sound */
	OUTPUT_FORM_COUNT_
};

/* Is it an index of segments? */
static inline bool form_is_segments(enum output_form form)
{
	return form == OUTPUT_HLS_TS || form == OUTPUT_CMAF_PICTURE || form == OUTPUT_CMAF_SOUND;
}

/* Is it made of the transport stream of its variant? */
static inline bool form_reads_ts(enum output_form form)
{
	return form_is_segments(form) || form == OUTPUT_MP4;
}

/* Does a ring of it hold boxes, between which a reader may be cut?  ring_piece_end() */
static inline bool form_has_boxes(enum output_form form)
{
	return form == OUTPUT_MP4;
}

#define TS_PACKET 188u

/* Identifies an output in a worker's WANT, in the master's tables and in the job's muxer. */
struct output_id {
	uint32_t channel;
	enum output_form form;
	char variant[VARIANT_NAME_MAX + 1]; /* "" = the channel's own profile */
	char track[TRACK_NAME_MAX + 1];	    /* language of the sound; "" = the form's first */
};

static inline bool output_id_equal(const struct output_id *a, const struct output_id *b)
{
	return a->channel == b->channel && a->form == b->form && !strcmp(a->variant, b->variant) &&
	       !strcmp(a->track, b->track);
}

#endif
