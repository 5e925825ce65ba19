/* test_ts_pcr.c - clocks are added where a muxer leaves them out, and only there. */
#include "unit.h"

#include "amps-transcoder/ts/pcr.h"
#include "ts_build.h"

static uint8_t memory[2048 * TS_PACKET], out[2 * sizeof(memory)];
static size_t out_len;
static struct ts_build b = {.bytes = memory, .cap = sizeof(memory)};
static struct ts_pcr c;

#define AHEAD 27000

static void take(void *owner, const void *bytes, size_t n)
{
	(void)owner;
	cr_assert_leq(out_len + n, sizeof(out));
	memcpy(out + out_len, bytes, n);
	out_len += n;
}

/* A unit of 3 packets; pcr: has a clock of its own. */
static void unit(unsigned pid, bool pcr, int64_t dts)
{
	uint8_t *p = build_pes(&b, pid, pcr ? dts - AHEAD : TIME_NONE, dts, false, NAL_SLICE);

	p[ts_payload_at(p) + 3] = pid == PID_VIDEO ? 0xe0 : 0xc0;
	build_packet(&b, pid, false);
	build_packet(&b, pid, false);
}

static void put(void)
{
	ts_pcr_init(&c, take, NULL);
	ts_pcr_put(&c, memory, b.len);
}

/* Checks what came out: the longest distance of two clocks, none backwards or late, counters go on,
 * and without the added packets it is what was put in, save clocks that were taken out. */
static int64_t longest_gap(void)
{
	int64_t last = TIME_NONE, gap = 0;
	struct ts_parse p;
	struct ts_rap rap;
	size_t in = 0;

	ts_parse_init(&p);
	for (size_t at = 0; at < out_len; at += TS_PACKET) {
		const uint8_t *packet = out + at;
		int64_t pcr = ts_pcr_base(packet);
		struct ts_pes pes;

		ts_parse_packet(&p, packet, at, &rap);
		if (pcr != TIME_NONE) {
			pcr = ts_unwrap(last, pcr);
			cr_assert(last == TIME_NONE || pcr > last, "the clock goes back");
			gap = last == TIME_NONE ? 0 : MAX(gap, pcr - last);
			last = pcr;
		}
		if (!ts_has_payload(packet))
			continue;
		cr_assert_arr_eq(packet + 12, memory + in + 12, TS_PACKET - 12);
		in += TS_PACKET;
		if (last != TIME_NONE && ts_pes_find(packet, &pes) && pes.pts_at)
			cr_assert_gt(ts_unwrap(last, ts_time_get(packet + pes.pts_at)), last);
	}
	cr_assert_eq(in, b.len);
	cr_assert_eq(p.cc_errors, 0);
	return gap;
}

/* n pictures so far apart, with sound every 75 ms between them. */
static void film(int64_t from, unsigned n, int64_t step)
{
	int64_t sound = from;

	for (unsigned i = 0; i < n; i++) {
		for (; sound < from + i * step; sound += 6750)
			unit(PID_AUDIO, false, sound);
		unit(PID_VIDEO, true, from + i * step);
	}
}

static size_t added(void)
{
	return (out_len - b.len) / TS_PACKET;
}

Test(ts_pcr, frequent_pictures_need_no_extra_clocks)
{
	film(900000, 50, 3600);
	film(900000 + 50 * 3600, 50, 3754);
	put();
	cr_assert_eq(out_len, b.len);
	cr_assert_arr_eq(out, memory, b.len);
}

Test(ts_pcr, clocks_are_added_between_rare_pictures)
{
	film(900000, 50, 18000);
	put();
	cr_assert_leq(longest_gap(), 9000);
	cr_assert_leq(added(), 150);
}

Test(ts_pcr, clocks_are_as_frequent_at_ten_pictures_a_second)
{
	film(900000, 50, 9000);
	put();
	cr_assert_leq(longest_gap(), TS_PCR_STEP_90K);
}

Test(ts_pcr, clocks_continue_over_33_bits)
{
	film((1ll << 33) - 90000, 50, 18000);
	put();
	cr_assert_leq(longest_gap(), 9000);
}

Test(ts_pcr, a_short_gap_is_filled)
{
	film(900000, 20, 3600);
	film(900000 + 20 * 3600 + 20000, 20, 3600);
	put();
	cr_assert_leq(longest_gap(), TS_PCR_STEP_90K);
	cr_assert_leq(added(), 8);
}

Test(ts_pcr, a_long_gap_is_kept)
{
	film(900000, 20, 3600);
	film(900000 + 4 * 90000, 20, 3600);
	put();
	cr_assert_eq(longest_gap(), 4 * 90000 - 19 * 3600);
	cr_assert_eq(added(), 0);
}

Test(ts_pcr, a_gap_of_two_seconds_is_filled)
{
	film(900000, 20, 3600);
	film(900000 + 19 * 3600 + 2 * TS_HZ, 20, 3600);
	put();
	cr_assert_leq(longest_gap(), TS_PCR_STEP_90K);
}

Test(ts_pcr, sound_far_ahead_of_the_pictures_does_not_make_them_late)
{
	for (int64_t at = 900000; at < 900000 + 20 * 18000; at += 18000) {
		unit(PID_VIDEO, true, at);
		unit(PID_AUDIO, false, at + 90000);
	}
	put();
	longest_gap();
}

Test(ts_pcr, sound_alone_has_its_own_clocks)
{
	for (int64_t at = 900000; at < 900000 + 50 * 7680; at += 7680)
		unit(PID_AUDIO, true, at);
	put();
	cr_assert_eq(out_len, b.len);
}

Test(ts_pcr, packets_of_another_kind_pass_unchanged)
{
	film(900000, 10, 18000);
	memory[0] = 0;
	put();
	cr_assert_eq(out_len, b.len);
	cr_assert_arr_eq(out, memory, b.len);
}
