#include "amps-transcoder/ts/rap.h"

#include <string.h>
#include "unit.h"

static struct ts_rap rap(void)
{
	struct ts_rap r = {.pos = 7 * TS_PACKET,
			   .pts_90k = 5,
			   .pcr_90k = TIME_NONE,
			   .pcr_pid = 0x1fff,
			   .psi_packets = 2,
			   .pid_count = 2,
			   .pids = {{.pid = 0x100, .cc = 7}, {.pid = 0x101, .cc = 0xff}}};

	memset(r.psi, 0x47, 2 * TS_PACKET);
	return r;
}

Test(ts_rap, the_mark_has_each_pid_and_the_intro_the_tables)
{
	struct ts_rap from = rap();
	struct ring_rap to;

	ts_rap_pack(&from, &to);
	cr_assert_eq(to.pos, 7 * TS_PACKET);
	cr_assert_eq(to.pts_90k, 5);
	cr_assert_eq(to.mark_bytes, 2 * TS_PACKET);
	cr_assert_eq(to.intro_bytes, 2 * TS_PACKET);
	cr_assert_eq(to.bytes[0], 0x47);
	cr_assert_eq(((to.bytes[1] & 0x1f) << 8) | to.bytes[2], 0x100);
	cr_assert_eq(to.bytes[3],
		     0x27); /* adaptation only, the counter before the next payload's */
	cr_assert_eq(to.bytes[4], 183);
	cr_assert_eq(to.bytes[5], 0x80);
	cr_assert_eq(to.bytes[TS_PACKET + 3], 0x2f, "a PID not seen yet will begin at 0");
	cr_assert_arr_eq(to.bytes + 2 * TS_PACKET, from.psi, 2 * TS_PACKET);
}

Test(ts_rap, the_mark_of_the_clock_s_pid_has_a_clock)
{
	struct ts_rap from = rap();
	struct ring_rap to;

	from.pcr_pid = 0x101;
	from.pcr_90k = 0x123456789;
	ts_rap_pack(&from, &to);
	cr_assert_eq(to.bytes[5], 0x80, "the other has none");
	cr_assert_arr_eq(to.bytes + TS_PACKET + 4,
			 ((uint8_t[]){183, 0x90, 0x91, 0xa2, 0xb3, 0xc4, 0x7e, 0}), 8);
	from.pcr_90k = TIME_NONE;
	ts_rap_pack(&from, &to);
	cr_assert_eq(to.bytes[TS_PACKET + 5], 0x80);
}

Test(ts_rap, a_null_pid_gets_no_mark)
{
	struct ts_rap from = rap();
	struct ring_rap to;

	from.pids[0].pid = 0x1fff;
	ts_rap_pack(&from, &to);
	cr_assert_eq(to.mark_bytes, TS_PACKET);
	cr_assert_eq(((to.bytes[1] & 0x1f) << 8) | to.bytes[2], 0x101);
}
