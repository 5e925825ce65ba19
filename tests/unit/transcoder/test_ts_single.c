/* test_ts_single.c - one programme of a transport stream of several. */
#include "unit.h"
#include <string.h>

#include "amps-transcoder/ts/single.h"
#include "ts_build.h"

#define H264	   0x1b
#define PID_OTHER  0x201
#define PID_OTHERS 0x200 /* its PMT */
#define PROGRAM	   11

static uint8_t bytes[64 * TS_PACKET];
static struct ts_parse parse;

/* Programme 11, and 22 beside it. */
static void build_two(struct ts_build *b)
{
	uint8_t s[64] = {0x00, 0, 0, 0x12, 0x34, 0xc1 | 3 << 1, 0, 0};
	const uint8_t programs[] = {0,
				    0,
				    0xe0,
				    0x10,
				    0,
				    PROGRAM,
				    0xe0 | PID_PMT >> 8,
				    PID_PMT & 0xff,
				    0,
				    22,
				    0xe0 | PID_OTHERS >> 8,
				    PID_OTHERS & 0xff};

	memcpy(s + 8, programs, sizeof(programs));
	build_section(b, 0, s, 8 + sizeof(programs));
}

/* Feeds the packets and makes them those of the first programme; how many null packets there are.
 */
static unsigned make_single(struct ts_build *b)
{
	struct ts_rap rap;
	unsigned nulls = 0;

	for (size_t at = 0; at < b->len; at += TS_PACKET) {
		ts_parse_packet(&parse, b->bytes + at, at, &rap);
		if (ts_single_needed(&parse))
			ts_single_packet(&parse, b->bytes + at);
		nulls += ts_pid(b->bytes + at) == TS_PID_NONE;
	}
	return nulls;
}

Test(ts_single, the_first_programme_of_two_is_left)
{
	struct ts_build b = {.bytes = bytes, .cap = sizeof(bytes)};
	struct ts_parse after;
	struct ts_rap rap;
	uint8_t pmt_before[TS_PACKET];
	size_t pmt_at;

	ts_parse_init(&parse);
	build_two(&b);
	pmt_at = b.len;
	build_pmt(&b, PID_VIDEO, H264, 0, 0);
	/* the PMT of the fixture is that of programme 1 */
	bytes[pmt_at + 5 + 4] = PROGRAM;
	{
		uint8_t *section = bytes + pmt_at + 5;
		size_t n = ((section[1] & 0x0fu) << 8 | section[2]) + 3u - 4u;
		uint32_t crc = ts_crc32(section, n);

		for (unsigned i = 0; i < 4; i++)
			section[n + i] = (uint8_t)(crc >> (24 - 8 * i));
	}
	memcpy(pmt_before, bytes + pmt_at, TS_PACKET);
	build_packet(&b, PID_OTHERS, true);
	build_packet(&b, PID_OTHER, true);
	build_packet(&b, TS_PID_SDT, true);
	build_packet(&b, PID_VIDEO, true);
	build_packet(&b, PID_OTHER, false);
	build_two(&b);
	cr_assert_eq(make_single(&b), 4);
	cr_expect_eq(memcmp(bytes + pmt_at, pmt_before, TS_PACKET), 0);
	cr_expect_eq(ts_single_run(bytes, b.len), 2 * TS_PACKET);
	cr_expect_eq(ts_single_run(bytes + 5 * TS_PACKET, 2 * TS_PACKET), TS_PACKET);

	/* what is left is a stream of one programme, without a break */
	ts_parse_init(&after);
	for (size_t at = 0; at < b.len; at += TS_PACKET)
		ts_parse_packet(&after, bytes + at, at, &rap);
	cr_expect_eq(after.program_count, 1);
	cr_expect_eq(after.program, PROGRAM);
	cr_expect_eq(after.pmt_pid, PID_PMT);
	cr_expect_eq(after.stream_id, 0x1234);
	cr_expect_eq(after.pat_version, 3);
	cr_expect_eq(after.cc_errors, 0);
	cr_expect_eq(after.stream_count, 2);
}

Test(ts_single, a_stream_of_one_programme_needs_nothing)
{
	struct ts_build b = {.bytes = bytes, .cap = sizeof(bytes)};
	struct ts_rap rap;

	ts_parse_init(&parse);
	cr_expect_not(ts_single_needed(&parse));
	build_pat(&b);
	ts_parse_packet(&parse, bytes, 0, &rap);
	cr_expect_eq(parse.program_count, 1);
	cr_expect_not(ts_single_needed(&parse));
}

Test(ts_single, a_pat_over_several_packets_keeps_its_counters)
{
	struct ts_build b = {.bytes = bytes, .cap = sizeof(bytes)};
	uint8_t s[1024] = {0x00, 0, 0, 0, 1, 0xc1, 0, 0};
	struct ts_parse after;
	struct ts_rap rap;
	size_t n = 8;

	for (unsigned i = 1; i <= 80; i++, n += 4) {
		s[n + 1] = (uint8_t)i;
		s[n + 2] = 0xe1;
		s[n + 3] = (uint8_t)i;
	}
	build_section(&b, 0, s, n);
	cr_assert_gt(b.len, TS_PACKET);
	ts_parse_init(&parse);
	make_single(&b);
	cr_expect_eq(parse.program_count, 80);
	/* again: now each packet of the PAT becomes one */
	b.len = 0;
	build_section(&b, 0, s, n);
	make_single(&b);
	ts_parse_init(&after);
	for (size_t at = 0; at < b.len; at += TS_PACKET)
		ts_parse_packet(&after, bytes + at, at, &rap);
	cr_expect_eq(after.program_count, 1);
	cr_expect_eq(after.program, 1);
	cr_expect_eq(after.cc_errors, 0);
}
