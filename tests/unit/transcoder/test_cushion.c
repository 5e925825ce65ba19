/* test_cushion.c - what is held back, and when it is let go; by a clock of the test's own. */
#include "unit.h"

#include "amps-transcoder/ts/cushion.h"
#include "ts_build.h"

#define H264	 0x1b
#define MS	 1000ull
#define SECOND	 1000000ull
#define STEP_MS	 40
#define HOLD_US	 (4 * SECOND)
#define STEP_90K (STEP_MS * 90)

/* A source of pictures 40 ms apart, and what has left the cushion. */
struct scene {
	struct cushion *cushion;
	struct ts_build build;
	struct ts_parse seen;
	int64_t pcr;
	uint64_t now_us, went_us, longest_us,
		repeats; /* when bytes left last, and the longest gap */
	uint64_t bytes_in, bytes_out;
	int64_t out_90k; /* the last clock that left; TIME_NONE */
	uint8_t bytes[64 << 10];
};

/* The first filling ends after first_us. */
static void begin(struct scene *s, uint64_t hold_us, uint64_t first_us)
{
	*s = (struct scene){.pcr = 777 * 90000, .now_us = 50 * SECOND, .out_90k = TIME_NONE};
	s->build = (struct ts_build){.bytes = s->bytes, .cap = sizeof(s->bytes)};
	ts_parse_init(&s->seen);
	cr_assert_eq(cushion_new(hold_us, s->now_us + first_us, &s->cushion), 0);
}

static void end(struct scene *s)
{
	cr_assert_eq(s->seen.cc_errors, 0);
	s->cushion = cushion_free(s->cushion);
}

static void take(struct scene *s)
{
	struct cushion_piece piece;
	struct ts_rap rap;

	while (cushion_take(s->cushion, s->now_us, &piece)) {
		s->repeats += piece.repeat;
		s->bytes_out += piece.n;
		for (size_t at = 0; at < piece.n; at += TS_PACKET)
			ts_parse_packet(&s->seen, piece.bytes + at, 0, &rap);
		if (s->went_us)
			s->longest_us = MAX(s->longest_us, s->now_us - s->went_us);
		s->went_us = s->now_us;
	}
	if (s->seen.clock_90k != TIME_NONE)
		s->out_90k = s->seen.clock_90k;
}

/* So much time passes. */
static void pass(struct scene *s, uint64_t us)
{
	for (uint64_t end_us = s->now_us + us; s->now_us < end_us;) {
		s->now_us += MIN(10 * MS, end_us - s->now_us);
		take(s);
	}
}

/* The source delivers what was built, in pieces of any size. */
static void deliver(struct scene *s)
{
	for (size_t at = 0; at < s->build.len;) {
		size_t cap, n;
		uint8_t *to = cushion_space(s->cushion, &cap);

		n = MIN(MIN(cap, 1000), s->build.len - at);
		memcpy(to, s->bytes + at, n);
		cushion_put(s->cushion, n, s->now_us);
		take(s);
		at += n;
	}
	s->bytes_in += s->build.len;
	s->build.len = 0;
}

/* So many milliseconds of media at once. */
static void burst(struct scene *s, unsigned ms)
{
	for (unsigned at = 0; at < ms; at += STEP_MS) {
		build_pat(&s->build);
		build_pmt(&s->build, PID_VIDEO, H264, 0, 0);
		build_pes(&s->build, PID_VIDEO, s->pcr, s->pcr + 9000, at == 0, NAL_IDR);
		for (int i = 0; i < 5; i++)
			build_packet(&s->build, PID_VIDEO, false);
		s->pcr += STEP_90K;
		deliver(s);
	}
}

/* The source plays in real time, or (permil) slower or faster. */
static void play(struct scene *s, unsigned ms, unsigned permil)
{
	for (unsigned at = 0; at < ms; at += STEP_MS) {
		burst(s, STEP_MS);
		pass(s, STEP_MS * MS * 1000 / permil);
	}
}

/* How far behind the source's newest time is what has left. */
static int64_t behind_ms(const struct scene *s)
{
	return (s->pcr - STEP_90K - s->out_90k) / 90;
}

Test(cushion, bursts_are_paced_out)
{
	static struct scene s;

	begin(&s, HOLD_US, HOLD_US);
	burst(&s, 3000);
	pass(&s, 3 * SECOND);
	cr_assert_eq(s.bytes_out, 0, "three seconds are less than four");
	burst(&s, 3000);
	cr_assert_geq(s.bytes_out, 1, "six are more");
	cr_assert_leq(llabs(behind_ms(&s) - 4500), 500 + STEP_MS);
	for (int i = 0; i < 100; i++) {
		pass(&s, 3 * SECOND);
		burst(&s, 3000);
	}
	cr_assert_leq(s.longest_us, (STEP_MS + 20) * MS);
	cr_assert_leq(llabs(behind_ms(&s) - 4000), 2 * STEP_MS);
	end(&s);
}

Test(cushion, what_the_source_has_at_hand_fills_it_at_once)
{
	static struct scene s;

	begin(&s, HOLD_US, HOLD_US);
	burst(&s, 10000);
	cr_assert_leq(behind_ms(&s), 5000 + STEP_MS, "the rest is let go");
	cr_assert_geq(behind_ms(&s), 4000 - STEP_MS);
	pass(&s, 2 * SECOND);
	cr_assert_geq(s.went_us, s.now_us - STEP_MS * MS);
	end(&s);
}

Test(cushion, a_source_without_bursts_waits_once)
{
	static struct scene s;
	uint64_t bytes;

	begin(&s, HOLD_US, HOLD_US);
	play(&s, 3960, 1000);
	cr_assert_eq(s.bytes_out, 0);
	play(&s, 20000, 1000);
	cr_assert_leq(llabs(behind_ms(&s) - 4000), 2 * STEP_MS);
	cr_assert_leq(s.longest_us, (STEP_MS + 20) * MS);
	end(&s);
	/* it waits no longer than it may */
	begin(&s, HOLD_US, SECOND);
	play(&s, 960, 1000);
	cr_assert_eq(s.bytes_out, 0);
	cr_assert_eq(cushion_empty_us(s.cushion), 51 * SECOND + (960 - STEP_MS) * MS);
	play(&s, 200, 1000);
	cr_assert_geq(s.bytes_out, 1);
	cr_assert_leq(cushion_empty_us(s.cushion), s.now_us + SECOND);
	/* but after a pause it is filled whole */
	pass(&s, 2 * SECOND);
	cr_assert_eq(cushion_empty_us(s.cushion), 0);
	bytes = s.bytes_out;
	play(&s, 3900, 1000);
	cr_assert_eq(s.bytes_out, bytes);
	end(&s);
}

Test(cushion, a_pause_beyond_it_lasts_as_long_as_without)
{
	static struct scene s;
	uint64_t bytes;

	begin(&s, HOLD_US, HOLD_US);
	burst(&s, 5000);
	pass(&s, 6 * SECOND);
	cr_assert_eq(cushion_empty_us(s.cushion), 0);
	/* with what was sent meanwhile: no wait, and the cushion is full again */
	burst(&s, 6000);
	cr_assert_leq(s.longest_us, 2 * SECOND + 100 * MS);
	cr_assert_leq(llabs(behind_ms(&s) - 4000), 1000 + STEP_MS);
	/* without it: filled anew, no longer than the pause has been */
	pass(&s, 7 * SECOND);
	cr_assert_eq(cushion_empty_us(s.cushion), 0);
	bytes = s.bytes_out;
	play(&s, 3900, 1000);
	cr_assert_eq(s.bytes_out, bytes);
	play(&s, 8000, 1000);
	cr_assert_leq(s.longest_us, 7 * SECOND);
	cr_assert_leq(llabs(behind_ms(&s) - 4000), 2 * STEP_MS);
	end(&s);
}

Test(cushion, jumps_of_the_clock_are_no_time)
{
	static struct scene s;
	static const int64_t jumps[] = {-500 * 90000, 300 * 90000, -3 * 90000, 5 * 90000};

	begin(&s, HOLD_US, HOLD_US);
	burst(&s, 5000);
	s.longest_us = 0;
	for (size_t i = 0; i < array_size(jumps); i++) {
		play(&s, 10000, 1000);
		s.pcr += jumps[i];
	}
	/* 33 bits end */
	s.pcr = (1ll << 33) - 5 * 90000;
	play(&s, 20000, 1000);
	cr_assert_leq(s.longest_us, (2 * STEP_MS + 20) * MS);
	cr_assert_gt(cushion_clock_90k(s.cushion), 0);
	end(&s);
}

Test(cushion, a_hole_in_the_source_stays_as_long_as_it_was)
{
	static struct scene s;

	begin(&s, HOLD_US, HOLD_US);
	burst(&s, 5000);
	play(&s, 5000, 1000);
	s.longest_us = 0;
	pass(&s, 3 * SECOND); /* nothing comes, and nothing was sent */
	s.pcr += 3 * 90000;
	play(&s, 10000, 1000);
	cr_assert_leq(llabs((int64_t)(s.longest_us / MS) - 3000), 2 * STEP_MS + 20);
	end(&s);
}

Test(cushion, other_clocks_are_followed)
{
	static struct scene s;
	static const unsigned rates[] = {1003, 997};

	for (size_t i = 0; i < array_size(rates); i++) {
		begin(&s, HOLD_US, HOLD_US);
		burst(&s, 5000);
		s.longest_us = 0;
		play(&s, 600000, rates[i]);
		cr_assert_leq(s.longest_us, (STEP_MS + 120) * MS);
		cr_assert_leq(llabs(behind_ms(&s) - 4000), 300, "behind by %lld ms",
			      (long long)behind_ms(&s));
		end(&s);
	}
}

Test(cushion, a_stream_without_clocks_goes_through)
{
	static struct scene s;

	begin(&s, HOLD_US, HOLD_US);
	for (int i = 0; i < 500; i++) {
		build_packet(&s.build, PID_VIDEO, false);
		deliver(&s);
		pass(&s, 10 * MS);
	}
	cr_assert_eq(cushion_clock_90k(s.cushion), TIME_NONE);
	cr_assert_gt(s.bytes_out, s.bytes_in * 9 / 10);
	end(&s);
}

Test(cushion, all_is_let_go_at_the_end)
{
	static struct scene s;
	const uint8_t garbage[50] = {0};
	size_t cap;

	begin(&s, HOLD_US, HOLD_US);
	burst(&s, 2000);
	memcpy(cushion_space(s.cushion, &cap), garbage, sizeof(garbage));
	cushion_put(s.cushion, sizeof(garbage), s.now_us);
	cushion_repeat(s.cushion);
	burst(&s, 1000);
	cr_assert_eq(s.bytes_out, 0);
	cushion_let_go(s.cushion);
	take(&s);
	cr_assert_eq(s.repeats, 1);
	cr_assert_eq(s.bytes_out, s.bytes_in);
	end(&s);
}

Test(cushion, its_memory_is_bounded)
{
	static struct scene s;

	begin(&s, 30 * SECOND, 30 * SECOND);
	for (unsigned i = 0; i < 4000; i++) { /* 40 s of 150 Mbit/s */
		burst(&s, STEP_MS);
		for (int n = 0; n < 300; n++)
			build_packet(&s.build, PID_VIDEO, false);
		deliver(&s);
		for (int n = 0; n < 300; n++)
			build_packet(&s.build, PID_VIDEO, false);
		deliver(&s);
		pass(&s, 10 * MS);
	}
	cr_assert(cushion_overflowed(s.cushion));
	cr_assert_gt(s.bytes_out, s.bytes_in / 2);
	cushion_let_go(s.cushion);
	take(&s);
	cr_assert_eq(s.bytes_out, s.bytes_in);
	end(&s);
}
