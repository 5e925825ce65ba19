/* fuzz_ts_rewrite.c - any packets through the rewriter, with splices where the input says; the
 * short way for packets in the middle of a PES does what the long one does */
#include <string.h>

#include "amps-transcoder/ts/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct way {
	struct ts_parse p;
	struct ts_rewrite w;
	uint8_t buf[400 * TS_PACKET];
};

static void begin(struct way *y, const uint8_t *data, size_t n)
{
	memcpy(y->buf, data, n * TS_PACKET);
	ts_parse_init(&y->p);
	ts_rewrite_init(&y->w);
	y->w.version_add = n ? data[1] % TS_VERSIONS : 0;
}

static void take(struct way *y, size_t i, size_t n, size_t splice_each, bool short_way)
{
	uint8_t *packet = y->buf + i * TS_PACKET, before[4];
	struct ts_rap rap;

	packet[0] = TS_SYNC;
	memcpy(before, packet, 4);
	if (splice_each && i % splice_each == 1 && y->p.frontier_90k != TIME_NONE)
		ts_rewrite_splice(&y->w, y->p.frontier_90k, i & 1);
	if (short_way && ts_rewrite_middle(&y->w, &y->p, packet))
		return;
	ts_rewrite_packet(&y->w, &y->p, packet, n - i);
	/* a packet keeps its PID, its shape and its place */
	if (memcmp(before, packet, 3) != 0 || (before[3] ^ packet[3]) & 0xf0)
		abort();
	ts_parse_packet(&y->p, packet, i * TS_PACKET, &rap);
}

static bool same(const struct way *a, const struct way *b, size_t i)
{
	return !memcmp(a->buf + i * TS_PACKET, b->buf + i * TS_PACKET, TS_PACKET) &&
	       !memcmp(a->p.cc, b->p.cc, sizeof(a->p.cc)) && a->p.packets == b->p.packets &&
	       a->p.media_packets == b->p.media_packets && a->p.cc_errors == b->p.cc_errors &&
	       a->p.raps == b->p.raps && a->p.scan_left == b->p.scan_left &&
	       a->p.clock_90k == b->p.clock_90k && a->p.frontier_90k == b->p.frontier_90k &&
	       a->w.offset_90k == b->w.offset_90k && a->w.splices == b->w.splices &&
	       a->w.broken == b->w.broken && a->w.active == b->w.active;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct way long_way, short_way;
	size_t splice_each = size ? data[0] : 0;
	size_t n = MIN(size, sizeof(long_way.buf)) / TS_PACKET;

	begin(&long_way, data, n);
	begin(&short_way, data, n);
	for (size_t i = 0; i < n; i++) {
		take(&long_way, i, n, splice_each, false);
		take(&short_way, i, n, splice_each, true);
		if (!same(&long_way, &short_way, i))
			abort();
	}
	return 0;
}
