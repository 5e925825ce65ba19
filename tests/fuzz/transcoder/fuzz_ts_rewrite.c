/* fuzz_ts_rewrite.c - any packets through the rewriter, with splices where the input says */
#include <string.h>

#include "amps-transcoder/ts_rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ts_parse p;
	static struct ts_rewrite w;
	static uint8_t buf[400 * TS_PACKET];
	struct ring_rap rap;
	size_t splice_each = size ? data[0] : 0;
	size_t n = MIN(size, sizeof(buf)) / TS_PACKET;

	memcpy(buf, data, n * TS_PACKET);
	ts_parse_init(&p);
	ts_rewrite_init(&w);
	for (size_t i = 0; i < n; i++) {
		uint8_t *packet = buf + i * TS_PACKET, before[4];

		packet[0] = TS_SYNC;
		memcpy(before, packet, 4);
		if (splice_each && i % splice_each == 1 && p.frontier_90k != TIME_NONE)
			ts_rewrite_splice(&w, p.frontier_90k, i & 1);
		ts_rewrite_packet(&w, &p, packet, n - i);
		/* a packet keeps its PID, its shape and its place */
		if (memcmp(before, packet, 3) != 0 || (before[3] ^ packet[3]) & 0xf0)
			abort();
		ts_parse_packet(&p, packet, i * TS_PACKET, &rap);
	}
	return 0;
}
