/* picture_guess.h - what a profile's options say about the size of its output, before it has ever
 * run: for the multivariant playlists of HLS.  Pure. */
#ifndef AMPS_PICTURE_GUESS_H
#define AMPS_PICTURE_GUESS_H

#include <jansson.h>
#include "common/base.h"

struct picture_guess {
	uint32_t bps; /* picture and sound; 0 = the profile does not say */
	uint16_t width, height;
	uint32_t rate_milli; /* frames in 1000 seconds */
};

/* `profile` may be NULL. */
struct picture_guess picture_guess(const json_t *profile);

#endif
