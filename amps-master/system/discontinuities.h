/* discontinuities.h - where the discontinuity sequences of HLS begin, so that they never go back
 * (RFC 8216, 6.2.2), not over a restart of the server either.
 *
 * A file in the state folder has a number that no playlist has reached: the next start begins
 * there.  The number is raised before a playlist comes near it.  Numbers stay small, because
 * hls.js keeps an array with an element for each. */
#ifndef AMPS_DISCONTINUITIES_H
#define AMPS_DISCONTINUITIES_H

#include <limits.h>
#include "common/base.h"

struct discontinuities {
	char path[PATH_MAX + 32];
	uint32_t first;	  /* of this start */
	uint32_t limit;	  /* what the file has */
	uint64_t born_us; /* clock_mono_us() of this start */
	bool stuck;	  /* the file could not be written, and the log says so */
};

/* Reads the file, or begins with the hours since 2025 where there is none, and raises its number;
 * on a full disk later.  0 or -Exxx. */
must_check int discontinuities_open(struct discontinuities *d, const char *state_dir,
				    int64_t wall_us, uint64_t now_us);

/* The number at which a channel begins that has no segments: a later one in each hour. */
uint32_t discontinuities_first(const struct discontinuities *d, uint64_t now_us);

/* A playlist has reached this number, as its job says.  Raises the file's number if it is near. */
void discontinuities_reached(struct discontinuities *d, uint32_t number);

#endif
