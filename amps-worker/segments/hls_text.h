/* hls_text.h - the text of HLS playlists (RFC 8216), from entries of a segment index.  Pure. */
#ifndef AMPS_HLS_TEXT_H
#define AMPS_HLS_TEXT_H

#include "amps-worker/segments/signature.h"
#include "common/shm/segment.h"
#include "common/text/buf.h"

/* What stands in front of and behind the number in a segment's URL. */
struct hls_place {
	const uint8_t *key;
	uint32_t channel;
	const char *prefix; /* from the playlist's URL to the channel's: "" or "5/" */
};

/* Appends a media playlist of `count` (> 0) entries with consecutive numbers. */
void hls_text_media(struct buf *b, const struct hls_place *place, const struct segment_media *media,
		    const struct segment *entries, size_t count);

/* A variant of a multivariant playlist. */
struct hls_variant {
	struct segment_media media; /* bandwidths and codecs may be unknown */
	const char *name;	    /* "" = the channel's own profile */
};

/* Appends one; `session` is the value of `s`, "" = none; `region` goes into the links, too. */
void hls_text_multivariant(struct buf *b, const struct hls_variant *variants, size_t count,
			   const char *session, const char *region);

#endif
