/* fuzz_rtp_pair.c - any datagrams on two legs: first their length, the time that has passed, and
 * the leg in its lowest bit, then bytes */
#include "amps-transcoder/source/rtp_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t dst[64 << 10];
	struct rtp_pair *p;
	struct rtp_pair_stats s;
	uint64_t now_us = 10000000, put = 0, out = 0;

	if (size < 1 || rtp_pair_new(50000, &p) < 0)
		return 0;
	for (size_t at = 1; at + 2 < size;) {
		size_t n = MIN(data[at], size - at - 2);
		unsigned leg = data[at + 1] & 1;

		now_us += data[at + 1] * 1000u;
		at += 2;
		if (rtp_pair_put(p, leg, data + at, n, now_us) == 0)
			put += n;
		at += n;
		out += rtp_pair_take(p, dst, data[0] * 16u, now_us);
	}
	now_us += 10000000;
	for (size_t n = 1; n > 0; out += n)
		n = rtp_pair_take(p, dst, sizeof(dst), now_us);
	s = rtp_pair_stats(p, now_us);
	if (out > put || rtp_pair_wait_us(p, now_us) != UINT64_MAX ||
	    s.missing > MIN(s.lost[0], s.lost[1]))
		abort();
	rtp_pair_free(p);
	return 0;
}
