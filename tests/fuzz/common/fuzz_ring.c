/* A hostile job's ring: any header, any index.  For any content, a reader gets a place inside
 * the data, whole packets, and no more than it asked for. */
#include <stdlib.h>
#include <string.h>
#include "common/shm/form.h"
#include "common/shm/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(x)                                                                                    \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static struct {
	struct ring_header header;
	struct ring_rap raps[RING_RAPS];
	uint8_t data[2 * RING_BYTES_MIN]; /* both views of it */
} page;

static void check_rap(const struct ring *r, const struct ring_rap *rap)
{
	struct ring_intro marked = ring_intro(rap, true), plain = ring_intro(rap, false);

	must(rap->pos % r->unit_bytes == 0);
	must(ring_commit(r) - rap->pos <= ring_guard(r));
	must(marked.len <= RING_INTRO_MAX && plain.len <= marked.len);
	must(plain.bytes + plain.len == marked.bytes + marked.len);
}

static void read_on(const struct ring *r, uint64_t pos)
{
	static uint8_t buffer[64 * TS_PACKET];

	for (int i = 0; i < 8; i++) {
		uint64_t before = pos;
		ssize_t n = ring_copy(r, &pos, buffer, sizeof(buffer));

		must(n < 0 ? pos == before : n > 0 && n % r->unit_bytes == 0 && pos == before + n);
		must(n <= (ssize_t)sizeof(buffer));
		if (n < 0)
			break;
	}
}

static void walk_boxes(const struct ring *r, uint64_t from, uint64_t pos)
{
	uint64_t end = from;

	if (ring_piece_end(r, from, pos, &end) == 0)
		must(end >= pos || from > pos);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ring r = {.header = &page.header,
			 .raps = page.raps,
			 .data = page.data,
			 .data_bytes = RING_BYTES_MIN,
			 .unit_bytes = size & 1 ? 1 : TS_PACKET};
	struct ring_rap rap;

	memset(&page.header, 0, sizeof(page.header) + sizeof(page.raps));
	memcpy(&page.header, data, size < sizeof(page.header) ? size : sizeof(page.header));
	if (size > sizeof(page.header))
		memcpy(page.raps, data + sizeof(page.header),
		       MIN(size - sizeof(page.header), sizeof(page.raps)));
	if (ring_find_rap(&r, 1000000, 500000, &rap) == 0) {
		check_rap(&r, &rap);
		read_on(&r, rap.pos);
		walk_boxes(&r, rap.pos, ring_commit(&r));
	}
	if (ring_oldest_rap(&r, 0, &rap) == 0)
		check_rap(&r, &rap);
	if (ring_oldest_rap(&r, ring_commit(&r) / 2, &rap) == 0)
		check_rap(&r, &rap);
	read_on(&r, size >= 8 ? (uint64_t)data[0] << 56 | data[7] : 0);
	return 0;
}
