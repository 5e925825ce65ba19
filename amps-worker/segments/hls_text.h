/* hls_text.h - the text of HLS playlists (RFC 8216, its successor draft-pantos-hls-rfc8216bis for
 * low latency), from entries of a segment index.  Pure. */
#ifndef AMPS_HLS_TEXT_H
#define AMPS_HLS_TEXT_H

#include "amps-worker/segments/signature.h"
#include "common/shm/form.h"
#include "common/shm/segment.h"
#include "common/text/buf.h"

/* What stands in front of and behind the number in a segment's URL. */
struct hls_place {
	const uint8_t *key;
	uint32_t channel;
	char kind;	    /* of fragments: the first letter of their files (segment.h) */
	const char *prefix; /* from the playlist's URL to the channel's: "" or "5/" */
};

/* Which copy of a playlist with parts a player gets. */
enum hls_copy {
	HLS_FULL,
	HLS_DELTA, /* a delta update: leaves out what is older than six target durations */
	HLS_FIRST, /* of few segments: the complete ones, and nothing of what comes */
	HLS_COPY_COUNT_
};

/* What a media playlist is made of: `count` (> 0) parts in a row, the first of them the first of
 * its segment. */
struct hls_media {
	const struct segment_media *media;
	const struct segment *entries;
	size_t count;
	bool ended; /* nothing will follow */
	bool delta;
	bool early;  /* the end of a segment is listed as soon as it is there */
	bool closed; /* names nothing that is still to come */
};

/* Appends a playlist whose segments have one part each. */
void hls_text_media(struct buf *b, const struct hls_place *place, const struct hls_media *m);

/* Appends one of fragments of MP4, with the parts of its newest segments (hls_parts.c). */
void hls_text_parts(struct buf *b, const struct hls_place *place, const struct hls_media *m);

/* The other playlist of a multivariant one, for which a player may switch. */
struct hls_report {
	const char *uri;
	uint32_t number, part; /* newest; the part counts from 0 in its segment */
};
void hls_text_report(struct buf *b, const struct hls_report *report);

/* Writes the signature only when it differs from that of the entry before: most do not. */
struct hls_signer {
	const struct hls_place *place;
	int64_t window; /* of `text`; INT64_MIN = none yet */
	char text[SIGNATURE_TEXT + 1];
};
const char *hls_sign(struct hls_signer *s, int64_t made_s);

/* A variant of a multivariant playlist. */
struct hls_variant {
	struct segment_media media; /* bandwidths and codecs may be unknown */
	const char *name;	    /* "" = the channel's own profile */
};

/* Sound that stands beside all variants. */
struct hls_sound {
	struct segment_media media;
	const char *variant; /* that it comes from */
	const char *track;   /* its name, "" = the usual one of the variant */
};

/* A multivariant playlist. */
struct hls_multivariant {
	const struct hls_variant *variants;
	size_t count;
	/* the usual one first; of sound alone, it is the first variant.  None: it is in the
	 * variants */
	const struct hls_sound *sounds;
	size_t sound_count;
	enum output_form form; /* of the variants' playlists */
	const char *session;   /* the value of `s`, "" = none */
	const char *region;    /* for the links; "" = none */
};
void hls_text_multivariant(struct buf *b, const struct hls_multivariant *m);

/* A media playlist; texts are "" or NULL if there is nothing to say. */
struct hls_link {
	const char *variant;
	enum output_form form;
	const char *sound; /* name of a further one */
	const char *region, *session;
};

/* Appends the link to it from a multivariant playlist, or from one beside it. */
void hls_text_link(struct buf *b, const struct hls_link *link);

#endif
