#include "tests/bench/load/adts.h"

#include <string.h>

/* Length of the frame that this header begins, 0 if it is none. */
static size_t frame_bytes(const uint8_t *h)
{
	size_t n = (size_t)(h[3] & 3) << 11 | (size_t)h[4] << 3 | h[5] >> 5;

	return h[0] == 0xff && (h[1] & 0xf6) == 0xf0 && n >= ADTS_HEAD ? n : 0;
}

static void head_byte(struct adts_walk *a, uint8_t byte)
{
	size_t bytes;

	a->head[a->have++] = byte;
	if (a->have < ADTS_HEAD)
		return;
	bytes = frame_bytes(a->head);
	if (bytes) {
		a->frames++;
		a->left = bytes - ADTS_HEAD;
		a->have = 0;
		return;
	}
	a->stray_bytes++;
	a->have--;
	memmove(a->head, a->head + 1, a->have);
}

void adts_feed(struct adts_walk *a, const uint8_t *p, size_t n)
{
	while (n) {
		size_t skip = a->left < n ? a->left : n;

		a->left -= skip;
		p += skip;
		n -= skip;
		if (n) {
			head_byte(a, *p++);
			n--;
		}
	}
}
