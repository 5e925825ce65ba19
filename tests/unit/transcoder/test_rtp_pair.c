/* test_rtp_pair.c - two legs of one RTP feed are one stream: each fills what the other has lost. */
#include <string.h>
#include "unit.h"

#include "amps-transcoder/source/rtp_pair.h"

#define PAYLOAD	  188
#define WINDOW_US 200000
#define ALIVE_US  250000 /* beyond the window, as in rtp_pair.c */

static struct rtp_pair *pair;
static uint8_t out[5000 * PAYLOAD];
static uint64_t now_us = 5000000;
static uint32_t sender = 7;

static size_t packet_make(uint8_t *dst, unsigned number)
{
	memset(dst, 0, 12 + PAYLOAD);
	dst[0] = 0x80;
	dst[1] = 33;
	dst[2] = (uint8_t)(number >> 8);
	dst[3] = (uint8_t)number;
	/* a timestamp that depends on the sender and the number */
	dst[5] = (uint8_t)sender;
	memcpy(dst + 6, dst + 2, 2);
	dst[11] = (uint8_t)sender;
	dst[12] = 0x47;
	dst[13] = (uint8_t)(number >> 8);
	dst[14] = (uint8_t)number;
	return 12 + PAYLOAD;
}

static int try(unsigned leg, unsigned number)
{
	uint8_t packet[12 + PAYLOAD];
	size_t n = packet_make(packet, number & 0xffff);

	return rtp_pair_put(pair, leg, packet, n, now_us);
}

static void put(unsigned leg, unsigned number)
{
	cr_assert_eq(try(leg, number), 0);
}

/* The numbers that come out now. */
static size_t take(uint16_t *numbers, size_t cap)
{
	size_t n = rtp_pair_take(pair, out, sizeof(out), now_us) / PAYLOAD;

	cr_assert(n <= cap);
	for (size_t i = 0; i < n; i++)
		numbers[i] = (uint16_t)(out[i * PAYLOAD + 1] << 8 | out[i * PAYLOAD + 2]);
	return n;
}

static void assert_out(const unsigned *numbers, size_t n)
{
	uint16_t came[64];
	size_t got = take(came, array_size(came));

	cr_assert_eq(got, n, "%zu came out instead of %zu", got, n);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(came[i], numbers[i], "%u instead of %u", came[i], numbers[i]);
}
#define OUT(...)                                                                                   \
	assert_out((unsigned[]){__VA_ARGS__}, sizeof((unsigned[]){__VA_ARGS__}) / sizeof(unsigned))
#define NOTHING assert_out(NULL, 0)

static void begin(void)
{
	cr_assert_eq(rtp_pair_new(WINDOW_US, &pair), 0);
}

static void end(uint64_t lost_a, uint64_t lost_b, uint64_t filled, uint64_t missing)
{
	struct rtp_pair_stats s;

	now_us += WINDOW_US + 1;
	s = rtp_pair_stats(pair, now_us);
	cr_assert_eq(s.lost[0], lost_a, "leg 1 lost %llu", (unsigned long long)s.lost[0]);
	cr_assert_eq(s.lost[1], lost_b, "leg 2 lost %llu", (unsigned long long)s.lost[1]);
	cr_assert_eq(s.filled, filled, "filled %llu", (unsigned long long)s.filled);
	cr_assert_eq(s.missing, missing, "missing %llu", (unsigned long long)s.missing);
	pair = rtp_pair_free(pair);
}

static uint64_t strays(unsigned leg)
{
	return rtp_pair_stats(pair, now_us).strays[leg];
}

Test(rtp_pair, each_leg_fills_what_the_other_has_lost_across_the_wrap)
{
	begin();
	put(0, 65534);
	put(1, 65534);
	put(1, 65535);
	OUT(65534, 65535);
	put(0, 0);
	put(0, 1);
	OUT(0, 1);
	put(1, 2);
	put(1, 4);
	OUT(2);
	put(0, 3);
	OUT(3, 4);
	end(3, 3, 6, 0);
}

Test(rtp_pair, packets_in_order_leave_at_once)
{
	begin();
	for (unsigned i = 0; i < 50; i++) {
		put(0, i);
		OUT(i);
		put(1, i);
		NOTHING;
	}
	cr_assert_eq(rtp_pair_wait_us(pair, now_us), UINT64_MAX);
	end(0, 0, 0, 0);
}

/* A stream of 1,000 packets a second; one leg is behind by skew_ms, both lose what is in their
 * list, and each swaps some neighbours. */
static void play_skewed(int skew_ms, unsigned lost_every, unsigned expected_lost)
{
	uint16_t next = 60000;

	begin();
	for (int ms = 0; ms < 9000; ms++, now_us += 1000) {
		for (unsigned leg = 0; leg < 2; leg++) {
			int index = ms - (leg == (skew_ms < 0 ? 0u : 1u) ? abs(skew_ms) : 0);
			uint16_t came[64];
			size_t n;

			/* neighbours change their places */
			if (index % 50 == 10 || index % 50 == 11)
				index ^= 1;
			if (index < 0 || index >= 8000 ||
			    (unsigned)index % lost_every == leg * (lost_every / 2) + 3)
				continue;
			put(leg, 60000u + (unsigned)index);
			n = take(came, array_size(came));
			for (size_t i = 0; i < n; i++)
				cr_assert_eq(came[i], next++);
		}
	}
	cr_assert_eq(next, (uint16_t)(60000 + 8000));
	end(expected_lost, expected_lost, 2 * expected_lost, 0);
}

Test(rtp_pair, a_skew_of_the_window_costs_nothing)
{
	play_skewed(199, 20, 400);
}

Test(rtp_pair, either_leg_may_be_the_later_one)
{
	play_skewed(-199, 20, 400);
	play_skewed(0, 16, 500);
}

Test(rtp_pair, a_packet_lost_on_both_legs_costs_the_window_at_most)
{
	begin();
	for (unsigned leg = 0; leg < 2; leg++) {
		put(leg, 10);
		put(leg, 12);
	}
	OUT(10);
	cr_assert_eq(rtp_pair_wait_us(pair, now_us), WINDOW_US);
	now_us += WINDOW_US - 1;
	put(0, 13);
	NOTHING;
	now_us++;
	OUT(12, 13);
	put(1, 11);
	put(1, 13);
	put(0, 14);
	OUT(14);
	end(1, 2, 1, 1);
}

Test(rtp_pair, the_number_of_waiting_packets_is_bounded)
{
	static uint16_t came[4000];

	begin();
	put(0, 0);
	OUT(0);
	for (unsigned i = 2; i < 2 + RTP_PAIR_PACKETS; i++)
		put(i & 1, i);
	NOTHING;
	put(0, 2 + RTP_PAIR_PACKETS);
	cr_assert_eq(take(came, array_size(came)), RTP_PAIR_PACKETS + 1);
	end(RTP_PAIR_PACKETS / 2 + 1, RTP_PAIR_PACKETS / 2 + 3, RTP_PAIR_PACKETS + 2, 1);
}

Test(rtp_pair, duplicates_are_dropped_and_count_once)
{
	begin();
	for (unsigned i = 0; i < 3; i++) {
		put(0, 5);
		put(1, 5);
	}
	OUT(5);
	put(0, 6);
	put(0, 6);
	OUT(6);
	end(0, 1, 1, 0);
}

Test(rtp_pair, a_dead_leg_costs_nothing_and_comes_back)
{
	begin();
	for (unsigned i = 0; i < 30000; i++, now_us += 1000) {
		put(0, i);
		if (i < 1000 || i >= 29000)
			put(1, i);
		OUT(i);
	}
	/* the other one goes on alone, where the first one stopped */
	for (unsigned i = 30000; i < 30100; i++, now_us += 1000) {
		put(1, i);
		OUT(i);
	}
	end(100, 28000, 28100, 0);
}

Test(rtp_pair, a_leg_that_is_later_than_the_window_counts_as_lost)
{
	begin();
	for (unsigned i = 0; i < 1000; i++, now_us += 1000) {
		put(0, i);
		OUT(i);
		if (i >= 300)
			put(1, i - 300);
		NOTHING;
	}
	cr_assert_eq(strays(1), 0);
	end(0, 1000, 1000, 0);
}

Test(rtp_pair, a_restarted_sender_is_followed_without_a_loss)
{
	static const unsigned starts[] = {1600, 1200, 1000, 40000, 65500};
	static uint16_t came[4000];

	for (size_t k = 0; k < array_size(starts); k++) {
		unsigned next = starts[k];

		begin();
		sender = 7;
		for (unsigned i = 0; i < 600; i++, now_us += 1000) {
			sender = i < 500 ? 7 : 8;
			put(0, sender == 7 ? 1000 + i : starts[k] + i - 500);
			sender = 7;
			if (i >= 100)
				put(1, 1000 + i - 100);
			if (i < 500)
				OUT(1000 + i);
			else
				NOTHING;
		}
		sender = 8;
		for (unsigned i = 0; i < 400; i++, now_us += 1000) {
			size_t n;

			put(1, starts[k] + i);
			if (i % 7) /* the other leg has a loss */
				put(0, starts[k] + 100 + i);
			n = take(came, array_size(came));
			for (size_t at = 0; at < n; at++)
				cr_assert_eq(came[at], (uint16_t)next++);
			cr_assert(next >= starts[k] + i + 1, "%u after %u", next, i);
		}
		cr_assert_eq(strays(0), 100);
		cr_assert_eq(strays(1), 0);
		pair = rtp_pair_free(pair);
	}
}

Test(rtp_pair, a_restart_outputs_what_waits_of_the_old_stream_first)
{
	begin();
	put(0, 10);
	put(0, 12);
	OUT(10);
	now_us += 1000000;
	sender = 8;
	put(0, 30000);
	cr_assert_eq(strays(0), 1, "a single packet of another stream");
	cr_assert_eq(try(0, 30001), -EAGAIN);
	OUT(12);
	put(0, 30001);
	OUT(30001);
	put(1, 30002);
	OUT(30002);
	end(2, 4, 4, 1);
}

Test(rtp_pair, a_leg_of_another_feed_is_dropped_until_it_is_the_only_one)
{
	begin();
	for (unsigned i = 0; i < 100; i++, now_us += 1000) {
		sender = 7;
		put(0, 100 + i);
		sender = 9; /* even with numbers that would fit */
		put(1, 100 + i);
		OUT(100 + i);
	}
	cr_assert_eq(strays(1), 100);
	now_us += WINDOW_US + ALIVE_US - 1000;
	put(1, 200);
	NOTHING;
	now_us++;
	put(1, 201);
	OUT(201);
	/* the first feed returns, and is the stray now */
	sender = 7;
	put(0, 900);
	NOTHING;
	cr_assert_eq(strays(0), 1);
	pair = rtp_pair_free(pair);
}

Test(rtp_pair, a_leg_that_was_astray_returns_whether_it_is_the_earlier_one_or_not)
{
	for (unsigned ahead = 0; ahead < 2; ahead++) {
		begin();
		for (unsigned i = 0; i < 600; i++, now_us += 1000) {
			sender = 7;
			put(ahead, 100 + i);
			/* somebody else's packet with the number of one that has come */
			sender = 9;
			if (i == 100)
				put(0, 100);
			sender = 7;
			if (i >= 50)
				put(1 - ahead, 100 + i - 50);
			OUT(100 + i);
		}
		cr_assert(strays(0) < 60, "%llu strays", (unsigned long long)strays(0));
		pair = rtp_pair_free(pair);
	}
}

Test(rtp_pair, a_leg_with_another_ssrc_is_the_same_feed_by_its_timestamps)
{
	uint8_t packet[12 + PAYLOAD];

	begin();
	for (unsigned i = 0; i < 600; i++, now_us += 1000) {
		put(0, 100 + i);
		packet_make(packet, 150 + i); /* this leg is the earlier one */
		packet[8] = i < 200 ? 1 : 2;
		cr_assert_eq(rtp_pair_put(pair, 1, packet, sizeof(packet), now_us), 0);
		(void)rtp_pair_take(pair, out, sizeof(out), now_us);
	}
	cr_assert(strays(1) > 0 && strays(1) < 105, "%llu strays", (unsigned long long)strays(1));
	cr_assert_eq(rtp_pair_stats(pair, now_us).missing, 0);
	pair = rtp_pair_free(pair);
}

Test(rtp_pair, a_forged_number_far_ahead_costs_nothing)
{
	begin();
	for (unsigned i = 0; i < 1000; i++) {
		put(0, i);
		if (i % 100 == 50)
			put(i / 100 % 2, i + 3000);
		put(1, i);
		OUT(i);
		now_us += 1000;
	}
	end(0, 0, 0, 0);
}

Test(rtp_pair, a_packet_that_overtakes_a_hundred_others_counts_once)
{
	begin();
	for (unsigned i = 0; i < 400; i++) {
		/* 150 is early on both legs, 350 on one, and comes again in its place */
		if (i == 50 || i == 250)
			put(0, i + 100);
		if (i == 50)
			put(1, 150);
		if (i != 150) {
			put(0, i);
			put(1, i);
		}
		if (i == 149)
			OUT(149, 150);
		else if (i == 349)
			OUT(349, 350);
		else if (i != 150 && i != 350)
			OUT(i);
		now_us += 1000;
	}
	end(0, 0, 0, 0);
}

Test(rtp_pair, an_early_packet_on_one_leg_fills_the_other)
{
	begin();
	for (unsigned i = 0; i < 400; i++) {
		if (i == 50)
			put(1, 150);
		if (i == 150)
			NOTHING;
		if (i == 150)
			continue;
		put(0, i);
		if (i == 149)
			OUT(149, 150);
		else
			OUT(i);
		put(1, i);
		now_us += 1000;
	}
	end(1, 0, 1, 0);
}

Test(rtp_pair, an_early_packet_counts_what_the_queue_took_also_one_wrap_later)
{
	begin();
	put(0, 100);
	put(1, 100);
	OUT(100);
	for (unsigned i = 101; i < 65536 + 100; i++) {
		if (i % 4096 == 100)
			continue;
		/* the place of this number in the queue was last used one wrap ago */
		if (i == 65536)
			put(0, 65536 + 100);
		put(0, i);
		put(1, i);
		now_us += i % 4096 == 101 ? WINDOW_US : 0;
		if (i == 65536 + 99)
			OUT(99, 100);
		else
			OUT(i & 0xffff);
	}
	put(1, 65536 + 100);
	NOTHING;
	end(15, 15, 0, 15);
}

Test(rtp_pair, a_long_loss_on_both_legs_costs_what_was_lost)
{
	begin();
	put(0, 0);
	put(1, 0);
	OUT(0);
	put(0, 1000);
	put(1, 1000);
	NOTHING;
	put(0, 1001);
	put(1, 1001);
	now_us += WINDOW_US;
	OUT(1000, 1001);
	end(999, 999, 0, 999);
}

Test(rtp_pair, hostile_datagrams_are_dropped)
{
	uint8_t packet[2048 + 12] = {0};
	size_t n = packet_make(packet, 1);

	begin();
	put(0, 0);
	OUT(0);
	for (size_t len = 0; len <= 12; len++)
		cr_assert_eq(rtp_pair_put(pair, 0, packet, len, now_us), 0);
	packet[0] = 0x40; /* version 1 */
	cr_assert_eq(rtp_pair_put(pair, 1, packet, n, now_us), 0);
	packet[0] = 0x8f; /* fifteen sources, behind the end */
	cr_assert_eq(rtp_pair_put(pair, 1, packet, 40, now_us), 0);
	packet[0] = 0x90; /* an extension behind the end */
	packet[14] = packet[15] = 0xff;
	cr_assert_eq(rtp_pair_put(pair, 1, packet, n, now_us), 0);
	NOTHING;
	cr_assert_eq(strays(0), 13);
	cr_assert_eq(strays(1), 3);
	/* with sources, an extension and padding, all right */
	packet[0] = 0xb1;
	packet[16 + 2] = 0;
	packet[16 + 3] = 1;
	packet[24] = 0x47;
	packet[25] = 0;
	packet[26] = 1;
	packet[24 + PAYLOAD + 3] = 4;
	cr_assert_eq(rtp_pair_put(pair, 1, packet, 24 + PAYLOAD + 4, now_us), 0);
	OUT(1);
	end(1, 1, 2, 0);
}
