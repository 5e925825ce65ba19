/* fuzz_ts_pcr.c - any bytes as what a muxer wrote: every packet comes out, clocks are only added */
#include <string.h>

#include "amps-transcoder/ts/pcr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct counts {
	size_t bytes, payloads;
};

static void take(void *owner, const void *bytes, size_t n)
{
	struct counts *c = owner;
	const uint8_t *packet = bytes;

	c->bytes += n;
	for (size_t at = 0; at + TS_PACKET <= n; at += TS_PACKET)
		c->payloads += ts_has_payload(packet + at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t copy[400 * TS_PACKET];
	size_t n = MIN(size, sizeof(copy)) / TS_PACKET * TS_PACKET, payloads = 0;
	struct counts c = {0};
	struct ts_pcr pcr;

	memcpy(copy, data, n);
	for (size_t at = 0; at < n; at += TS_PACKET) {
		copy[at] = TS_SYNC;
		payloads += ts_has_payload(copy + at);
	}
	ts_pcr_init(&pcr, take, &c);
	ts_pcr_put(&pcr, copy, n);
	if (c.payloads != payloads || c.bytes < n)
		abort();
	return 0;
}
