/* picture_guess.h - what a profile's options say about its output, before it has ever run: for the
 * multivariant playlists of HLS and for the cuts of its segments.  Pure. */
#ifndef AMPS_PICTURE_GUESS_H
#define AMPS_PICTURE_GUESS_H

#include <jansson.h>
#include "common/base.h"
#include "common/shm/catalog_layout.h"

struct picture_guess {
	uint32_t bps; /* picture and sound; 0 = the profile does not say */
	uint16_t width, height;
	uint32_t rate_milli; /* frames in 1000 seconds */
	/* as in CODECS; "" = as in the source, "-" = none, "?" = not known */
	char picture[CATALOG_CODEC_MAX], sound[CATALOG_CODEC_MAX];
	/* longest distance of key frames, if the encoder keeps one; 0: sound alone, which has an
	 * access point anywhere; UINT32_MAX: none */
	uint32_t key_ms;
};

/* `profile` may be NULL. */
struct picture_guess picture_guess(const json_t *profile, bool audio_only);

#endif
