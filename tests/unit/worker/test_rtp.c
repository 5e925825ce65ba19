#include <string.h>
#include "amps-worker/rtsp/rtp.h"
#include "unit.h"

#define PID 0x100u

/* A packet with an adaptation field: a PCR of this value, or none (-1). */
static void packet(uint8_t *p, unsigned pid, int64_t pcr, bool mark)
{
	memset(p, 0xff, 188);
	p[0] = 0x47;
	p[1] = (uint8_t)(pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = 0x30;
	p[4] = 7;
	p[5] = (uint8_t)((mark ? 0x80 : 0) | (pcr >= 0 ? 0x10 : 0));
	if (pcr < 0)
		return;
	p[6] = (uint8_t)(pcr >> 25);
	p[7] = (uint8_t)(pcr >> 17);
	p[8] = (uint8_t)(pcr >> 9);
	p[9] = (uint8_t)(pcr >> 1);
	p[10] = (uint8_t)((pcr & 1) << 7 | 0x7e);
	p[11] = 0;
}

static bool follow(struct rtp_clock *c, unsigned pid, int64_t pcr, bool mark, uint64_t now_us)
{
	uint8_t p[188];

	packet(p, pid, pcr, mark);
	return rtp_clock_follow(c, p, sizeof(p), now_us);
}

Test(rtp, stamps_follow_the_programme_clock)
{
	struct rtp_clock c = {.stamp = UINT32_MAX - 10};

	cr_assert_not(follow(&c, PID, -1, false, 1));
	cr_assert_eq(c.stamp, UINT32_MAX - 10);
	/* the first one sets the clock */
	cr_assert_not(follow(&c, PID, 8589934500, false, 1));
	cr_assert_eq(c.stamp, UINT32_MAX - 10);
	/* over the end of 33 bits, and of the stamp */
	cr_assert_not(follow(&c, PID, 3600 - 92, false, 40000));
	cr_assert_eq(c.stamp, 3600u - 11);
	cr_assert_not(follow(&c, PID, 3600 - 92, false, 50000));
	cr_assert_eq(c.stamp, 3600u - 11);
}

Test(rtp, a_new_time_base_is_marked_and_goes_on_by_the_time_that_passed)
{
	struct rtp_clock c = {.stamp = 1000};

	follow(&c, PID, 900000, false, 1000000);
	/* backwards */
	cr_assert(follow(&c, PID, 90000, false, 1020000));
	cr_assert_eq(c.stamp, 1000u + 1800);
	cr_assert_not(follow(&c, PID, 93600, false, 1060000));
	cr_assert_eq(c.stamp, 1000u + 1800 + 3600);
	/* far ahead; more than a second is not believed */
	cr_assert(follow(&c, PID, 9000000, false, 9000000));
	cr_assert_eq(c.stamp, 1000u + 1800 + 3600 + 90000);
	/* the stream says so itself, in a packet without a clock */
	cr_assert_not(follow(&c, PID, -1, true, 9001000));
	cr_assert(follow(&c, PID, 9000100, false, 9010000));
	cr_assert_eq(c.stamp, 1000u + 1800 + 3600 + 90000 + 900);
}

Test(rtp, the_clock_of_another_programme_is_followed_when_the_first_stops)
{
	struct rtp_clock c = {.stamp = 0};

	follow(&c, PID, 0, false, 0);
	for (unsigned i = 1; i < 16; i++)
		cr_assert_not(follow(&c, 0x200, 5000000 + i * 3600, false, i * 40000));
	cr_assert_eq(c.stamp, 0u);
	cr_assert(follow(&c, 0x200, 5060000, false, 640000));
	cr_assert_eq(c.pid, 0x200);
	cr_assert_eq(c.stamp, 57600u);
	cr_assert_not(follow(&c, 0x200, 5063600, false, 680000));
	cr_assert_eq(c.stamp, 57600u + 3600);
	/* one that comes between is not */
	cr_assert_not(follow(&c, PID, 7, false, 690000));
	cr_assert_eq(c.pid, 0x200);
}

Test(rtp, all_packets_of_a_payload_count_and_what_is_cut_is_left_out)
{
	struct rtp_clock c = {.stamp = 5};
	uint8_t p[3 * 188];

	packet(p, PID, 1000, false);
	packet(p + 188, PID, -1, false);
	packet(p + 376, PID, 4600, false);
	cr_assert_not(rtp_clock_follow(&c, p, sizeof(p) - 1, 1));
	cr_assert_eq(c.pcr, 1000u);
	cr_assert_not(rtp_clock_follow(&c, p + 376, 188, 1));
	cr_assert_eq(c.stamp, 3605u);
}

Test(rtp, heads)
{
	struct rtp_stream s = {.ssrc = 0x01020304, .seq = 0xfffe};
	uint8_t head[RTP_HEAD_BYTES];

	rtp_write_head(&s, 0, 0xa0b0c0d0, false, head);
	cr_assert_arr_eq(head, "\x80\x21\xff\xfe\xa0\xb0\xc0\xd0\1\2\3\4", 12);
	rtp_write_head(&s, 3, 1, true, head);
	cr_assert_arr_eq(head, "\x80\xa1\0\1\0\0\0\1\1\2\3\4", 12);
}

Test(rtp, reports)
{
	struct rtp_stream s = {
		.ssrc = 0x01020304, .clock.stamp = 0x11121314, .packets = 2, .bytes = 2632};
	uint8_t report[RTCP_REPORT_MAX];

	cr_assert_eq(rtcp_write_report(&s, 1500000, false, report), 44u);
	cr_assert_arr_eq(report,
			 "\x80\xc8\0\6\1\2\3\4\x83\xaa\x7e\x81\x80\0\0\0\x11\x12\x13\x14\0\0\0\2"
			 "\0\0\x0a\x48\x81\xca\0\3\1\2\3\4\1\4amps\0\0",
			 44);
	cr_assert_eq(rtcp_write_report(&s, 1500000, true, report), 52u);
	cr_assert_arr_eq(report + 44, "\x81\xcb\0\1\1\2\3\4", 8);
}

Test(rtp, a_receivers_report_names_its_streams)
{
	uint8_t two[8 + 24 + 8] = {0x81, 201, 0, 7, 9, 9, 9, 9, 1, 2, 3, 4};
	const size_t n = sizeof(two);
	uint32_t ssrc[RTCP_REPORTED_MAX];

	memcpy(two + 32, "\x81\xcb\0\1\1\2\3\4", 8);
	cr_assert_eq(rtcp_read_reports(two, n, ssrc), 1u);
	cr_assert_eq(ssrc[0], 0x01020304u);
	for (size_t cut = 1; cut < n; cut++)
		cr_assert_eq(rtcp_read_reports(two, cut, ssrc), cut == 32, "%zu", cut);
	two[0] = 0x82; /* more blocks than bytes */
	cr_assert_eq(rtcp_read_reports(two, n, ssrc), 0u);
	two[0] = 0x41;
	cr_assert_eq(rtcp_read_reports(two, n, ssrc), 0u);
	cr_assert_eq(rtcp_read_reports(two, 0, ssrc), 0u);
}

Test(rtp, reports_of_more_streams_than_fit_are_left_out)
{
	enum { BLOCKS = 31, LENGTH = 8 + BLOCKS * 24 };
	uint8_t three[3 * LENGTH] = {0};
	uint32_t ssrc[RTCP_REPORTED_MAX + 1] = {[RTCP_REPORTED_MAX] = 77};

	for (size_t i = 0; i < 3; i++) {
		uint8_t *packet = three + i * LENGTH;

		memcpy(packet, (uint8_t[]){0x80 | BLOCKS, 201, 0, LENGTH / 4 - 1}, 4);
		for (size_t j = 0; j < BLOCKS; j++)
			packet[8 + j * 24 + 3] = (uint8_t)(i * BLOCKS + j);
	}
	cr_assert_eq(rtcp_read_reports(three, sizeof(three), ssrc), RTCP_REPORTED_MAX);
	for (size_t i = 0; i < RTCP_REPORTED_MAX; i++)
		cr_assert_eq(ssrc[i], i);
	cr_assert_eq(ssrc[RTCP_REPORTED_MAX], 77u);
}
