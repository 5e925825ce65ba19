#include "unit.h"
#include <stdio.h>

#include "amps-transcoder/mux/interleave.h"

static struct interleave queue;

/* The streams and times that come out after this packet, as "0:100 1:90 ". */
static const char *put(unsigned stream, int64_t dts)
{
	static char text[4096];
	AVPacket *packet = av_packet_alloc();
	size_t len = 0;

	text[0] = '\0';
	packet->dts = dts;
	cr_assert_eq(interleave_put(&queue, stream, packet), 0);
	av_packet_free(&packet);
	while ((packet = interleave_take(&queue, false))) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%d:%lld ",
					packet->stream_index, (long long)packet->dts);
		av_packet_free(&packet);
	}
	return text;
}

Test(interleave, packets_come_by_time_when_each_stream_has_one)
{
	interleave_init(&queue, 1000);
	interleave_await(&queue, 0);
	interleave_await(&queue, 1);
	cr_expect_str_eq(put(0, 100), "");
	cr_expect_str_eq(put(0, 200), "");
	cr_expect_str_eq(put(1, 150), "0:100 1:150 ");
	cr_expect_str_eq(put(1, 160), "1:160 ");
	cr_expect_str_eq(put(1, 300), "0:200 ");
	interleave_done(&queue);
}

Test(interleave, nothing_waits_for_subtitles)
{
	interleave_init(&queue, 1000);
	interleave_await(&queue, 0);
	cr_expect_str_eq(put(0, 100), "0:100 ");
	cr_expect_str_eq(put(2, 150), "");
	cr_expect_str_eq(put(0, 120), "0:120 ");
	cr_expect_str_eq(put(0, 200), "2:150 0:200 ");
	cr_expect_str_eq(put(0, 300), "0:300 ");
	interleave_done(&queue);
}

Test(interleave, a_paused_stream_delays_the_others_for_a_time)
{
	AVPacket *packet;

	interleave_init(&queue, 1000);
	interleave_await(&queue, 0);
	interleave_await(&queue, 1);
	cr_expect_str_eq(put(0, 100), "");
	cr_expect_str_eq(put(0, 1100), "");
	cr_expect_str_eq(put(0, 1200), "0:100 ");
	packet = interleave_take(&queue, true);
	cr_assert_not_null(packet);
	cr_expect_eq(packet->dts, 1100);
	av_packet_free(&packet);
	interleave_done(&queue);
}

Test(interleave, a_full_queue_waits_no_longer)
{
	interleave_init(&queue, INT64_MAX / 2);
	interleave_await(&queue, 0);
	interleave_await(&queue, 1);
	for (int i = 0; i < INTERLEAVE_PACKETS_MAX - 1; i++)
		cr_assert_str_eq(put(0, i), "");
	cr_expect_str_eq(put(0, INTERLEAVE_PACKETS_MAX), "0:0 ");
	interleave_done(&queue);
}
