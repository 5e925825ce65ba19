/* fuzz_rtp_queue.c - any datagrams: first their length and the time that has passed, then bytes */
#include "amps-transcoder/source/rtp_queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t dst[64 << 10];
	struct rtp_queue *q;
	uint64_t now_us = 0, put = 0, out = 0;
	struct rtp_packet packet;

	if (size < 1 || rtp_queue_new(data[0], 50000, &q) < 0)
		return 0;
	for (size_t at = 1; at + 2 < size;) {
		size_t n = MIN(data[at], size - at - 2);

		now_us += data[at + 1] * 1000u;
		at += 2;
		if (rtp_parse(data + at, n, &packet) && rtp_queue_put(q, &packet, now_us) >= 0)
			put += packet.len;
		at += n;
		out += rtp_queue_take(q, dst, data[0] * 16u, now_us);
	}
	now_us += 10000000;
	for (size_t n = 1; n > 0; out += n)
		n = rtp_queue_take(q, dst, sizeof(dst), now_us);
	if (out > put || rtp_queue_wait_us(q, now_us) != UINT64_MAX)
		abort();
	rtp_queue_free(q);
	return 0;
}
