/* adts.h - walks a stream of ADTS frames (ISO 13818-7, 6.2): counts frames, and bytes that belong
 * to none. */
#ifndef BENCH_ADTS_H
#define BENCH_ADTS_H

#include <stdint.h>
#include <stddef.h>

#define ADTS_HEAD 7

struct adts_walk {
	uint8_t head[ADTS_HEAD]; /* of the next frame, until it is complete */
	unsigned have;
	size_t left; /* bytes to come of the present frame */
	uint64_t frames, stray_bytes;
};

void adts_feed(struct adts_walk *a, const uint8_t *p, size_t n);

#endif
