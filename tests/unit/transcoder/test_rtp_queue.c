/* test_rtp_queue.c - RTP packets come out in the order of their numbers, or are given up in time.
 */
#include <string.h>
#include "unit.h"

#include "amps-transcoder/source/rtp_queue.h"

#define PAYLOAD 188

static struct rtp_queue *q;
static uint8_t out[512 * PAYLOAD];
static size_t out_len;
static uint64_t now_us = 1000000;

static int put_from(uint32_t sender, unsigned number)
{
	uint8_t packet[12 + PAYLOAD] = {0x80,
					33,
					(uint8_t)(number >> 8),
					(uint8_t)number,
					0,
					0,
					0,
					0,
					(uint8_t)(sender >> 24),
					(uint8_t)(sender >> 16),
					(uint8_t)(sender >> 8),
					(uint8_t)sender,
					0x47,
					(uint8_t)(number >> 8),
					(uint8_t)number};

	struct rtp_packet parsed;

	cr_assert(rtp_parse(packet, sizeof(packet), &parsed));
	cr_assert(parsed.number == number && parsed.sender == sender);
	return rtp_queue_put(q, &parsed, now_us);
}

static void put(unsigned number)
{
	cr_assert_eq(put_from(7, number & 0xffff), 0);
}

static void take(void)
{
	out_len += rtp_queue_take(q, out + out_len, sizeof(out) - out_len, now_us);
}

/* Asserts which numbers came out since the last time. */
static void assert_out(const unsigned *numbers, size_t n)
{
	take();
	cr_assert_eq(out_len, n * PAYLOAD, "%zu came out instead of %zu", out_len / PAYLOAD, n);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq((unsigned)(out[i * PAYLOAD + 1] << 8 | out[i * PAYLOAD + 2]),
			     numbers[i]);
	out_len = 0;
}
#define OUT(...)                                                                                   \
	assert_out((unsigned[]){__VA_ARGS__}, sizeof((unsigned[]){__VA_ARGS__}) / sizeof(unsigned))
#define NOTHING assert_out(NULL, 0)

static void begin(unsigned max_packets)
{
	cr_assert_eq(rtp_queue_new(max_packets, 100000, &q), 0);
}

static void end(uint64_t lost, uint64_t late, uint64_t duplicates, uint64_t reordered)
{
	struct rtp_stats s = rtp_queue_stats(q);

	cr_assert_eq(s.lost, lost, "lost %llu", (unsigned long long)s.lost);
	cr_assert_eq(s.late, late, "late %llu", (unsigned long long)s.late);
	cr_assert_eq(s.duplicates, duplicates);
	cr_assert_eq(s.reordered, reordered, "reordered %llu", (unsigned long long)s.reordered);
	q = rtp_queue_free(q);
}

Test(rtp_queue, swapped_packets_are_put_in_order)
{
	begin(500);
	put(65534);
	put(65535);
	OUT(65534, 65535);
	put(1);
	put(2);
	NOTHING;
	put(0);
	put(3);
	OUT(0, 1, 2, 3);
	end(0, 0, 0, 1);
}

Test(rtp_queue, a_missing_packet_is_skipped_after_the_delay)
{
	begin(500);
	put(10);
	put(12);
	OUT(10);
	cr_assert_eq(rtp_queue_wait_us(q, now_us), 100000);
	now_us += 99999;
	put(13);
	NOTHING;
	cr_assert_eq(rtp_queue_wait_us(q, now_us), 1);
	now_us++;
	OUT(12, 13);
	cr_assert_eq(rtp_queue_wait_us(q, now_us), UINT64_MAX);
	put(11);
	NOTHING;
	end(1, 1, 0, 0);
}

Test(rtp_queue, packets_sent_before_the_first_received_one_are_not_late)
{
	begin(500);
	put(0);
	OUT(0);
	put(0xffff);
	NOTHING;
	for (unsigned number = 1; number <= 1024; number++) {
		put(number);
		OUT(number);
	}
	put(1026);
	now_us += 100000;
	OUT(1026);
	put(1025);
	NOTHING;
	end(1, 1, 0, 0);
}

Test(rtp_queue, the_number_of_waiting_packets_is_bounded)
{
	begin(3);
	put(10);
	for (unsigned i = 12; i <= 14; i++)
		put(i);
	OUT(10);
	put(15);
	OUT(12, 13, 14, 15);
	end(1, 0, 0, 0);
}

Test(rtp_queue, without_a_delay_nothing_waits)
{
	begin(0);
	put(10);
	put(12);
	OUT(10, 12);
	put(11);
	NOTHING;
	end(1, 1, 0, 0);
}

Test(rtp_queue, duplicates_are_dropped_before_and_after_their_turn)
{
	begin(500);
	put(10);
	put(10);
	put(12);
	put(12);
	OUT(10);
	put(11);
	OUT(11, 12);
	put(12);
	put(10);
	NOTHING;
	end(0, 0, 4, 1);
}

Test(rtp_queue, a_new_sender_or_a_large_jump_restarts_after_waiting_packets)
{
	begin(500);
	put(10);
	OUT(10);
	put(12);
	cr_assert_eq(put_from(8, 40000), -EAGAIN);
	OUT(12);
	cr_assert_eq(put_from(8, 40000), 0);
	OUT(40000);
	cr_assert_eq(put_from(8, 50000), 0, "a jump");
	OUT(50000);
	cr_assert_eq(put_from(8, 100), 0, "back");
	OUT(100);
	end(1, 0, 0, 0);
}

Test(rtp_queue, a_jump_to_a_missing_packet_is_a_new_sender)
{
	begin(500);
	put(10);
	OUT(10);
	put(12);
	cr_assert_eq(put_from(7, 11 + 1022), RTP_PUT_ASIDE);
	cr_assert_eq(put_from(7, 11 + 1023), RTP_PUT_BOTH, "that far is a loss");
	cr_assert_eq(put_from(7, 11 + 1024), -EAGAIN);
	OUT(12, 11 + 1022, 11 + 1023);
	put(11 + 1024);
	OUT(11 + 1024);
	end(1021, 0, 0, 0);
}

Test(rtp_queue, a_single_number_far_ahead_costs_nothing)
{
	begin(500);
	for (unsigned i = 10; i < 400; i++) {
		if (i % 50 == 0)
			cr_assert_eq(put_from(7, i + 900), RTP_PUT_ASIDE);
		put(i);
		OUT(i);
	}
	end(0, 0, 0, 0);
}

Test(rtp_queue, behind_a_long_loss_the_first_one_is_kept)
{
	begin(500);
	put(10);
	OUT(10);
	cr_assert_eq(put_from(7, 302), RTP_PUT_ASIDE);
	NOTHING;
	cr_assert_eq(put_from(7, 301), RTP_PUT_BOTH, "they have changed places");
	put(303);
	now_us += 100000;
	OUT(301, 302, 303);
	end(290, 0, 0, 1);
}

/* Numbers before `end` come in order, one each 1,200 us, and leave at once. */
static void play(unsigned from, unsigned end)
{
	for (unsigned i = from; i < end; i++, now_us += 1200) {
		put(i);
		OUT(i & 0xffff);
	}
}

Test(rtp_queue, a_packet_that_overtakes_a_hundred_others_is_output_once)
{
	begin(500);
	play(65400, 65501);
	cr_assert_eq(put_from(7, 64), RTP_PUT_ASIDE, "behind the wrap");
	NOTHING;
	cr_assert_eq(put_from(7, 64), RTP_PUT_ASIDE, "twice");
	play(65501, 65536);
	cr_assert_eq(put_from(7, 0), RTP_PUT_BOTH, "the stream is near it");
	OUT(0);
	put(64);
	/* it came more than the maximum time before its turn: its wait begins when the stream is
	 * near it */
	play(1, 63);
	put(63);
	OUT(63, 64);
	put(64);
	play(65, 300);
	end(0, 0, 2, 63);
}

Test(rtp_queue, a_stray_packet_of_one_wrap_ago_is_not_output)
{
	struct rtp_packet stray = {
		.sender = 7, .number = 900, .payload = (const uint8_t *)"\x47stray", .len = 6};

	begin(500);
	play(0, 10);
	cr_assert_eq(rtp_queue_put(q, &stray, now_us), RTP_PUT_ASIDE);
	play(10, 65536 + 200);
	cr_assert_eq(put_from(7, 905), RTP_PUT_ASIDE, "a single one again");
	play(65536 + 200, 65536 + 2000);
	end(0, 0, 0, 0);
}

Test(rtp_queue, where_nothing_waits_an_early_packet_costs_only_itself)
{
	begin(0);
	play(0, 10);
	cr_assert_eq(put_from(7, 109), RTP_PUT_ASIDE);
	play(10, 109);
	put(110);
	OUT(110);
	end(1, 0, 0, 0);
}

Test(rtp_queue, a_number_lost_since_a_wrap_is_no_duplicate)
{
	begin(500);
	put(100);
	OUT(100);
	for (unsigned i = 101; i < 65536 + 100; i++) {
		if (i % 1024 == 100)
			continue;
		put(i);
		now_us += i % 1024 == 101 ? 100000 : 0;
		OUT(i & 0xffff);
	}
	put(65536 + 100);
	OUT(100);
	end(63, 0, 0, 0);
}

Test(rtp_queue, packets_that_do_not_fit_are_kept)
{
	uint8_t small[2 * PAYLOAD];

	begin(500);
	for (unsigned i = 0; i < 5; i++)
		put(i);
	cr_assert_eq(rtp_queue_take(q, small, sizeof(small) + 10, now_us), 2 * PAYLOAD);
	cr_assert_eq(rtp_queue_take(q, small, PAYLOAD - 1, now_us), 0);
	cr_assert_eq(rtp_queue_take(q, small, PAYLOAD, now_us), PAYLOAD);
	OUT(3, 4);
	end(0, 0, 0, 0);
}

static void assert_payload(const uint8_t *datagram, size_t n, size_t at, size_t end)
{
	struct rtp_packet p;

	cr_assert(rtp_parse(datagram, n, &p));
	cr_assert_eq(p.payload - datagram, at);
	cr_assert_eq(p.len, end - at);
}

Test(rtp_queue, the_payload_excludes_headers_and_padding)
{
	uint8_t packet[64] = {0x80};
	struct rtp_packet p;

	packet[12] = 0x47;
	assert_payload(packet, 64, 12, 64);
	packet[0] = 0xa0;
	packet[63] = 4;
	assert_payload(packet, 64, 12, 60);
	packet[63] = 200; /* more than there is */
	assert_payload(packet, 64, 12, 64);
	packet[0] = 0x92; /* two sources, an extension of two words */
	packet[20 + 3] = 2;
	packet[32] = 0x47;
	assert_payload(packet, 64, 32, 64);
	cr_assert(!rtp_parse(packet, 32, &p));
	cr_assert(!rtp_parse(packet, 11, &p));
	packet[0] = 0x47;
	cr_assert(!rtp_parse(packet, 64, &p));
}
