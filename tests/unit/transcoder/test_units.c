/* test_units.c - access units of streams that change, have holes, or make no sense */
#include "unit.h"
#include <libavutil/mathematics.h>
#include <string.h>

#include "amps-transcoder/segment/units.h"
#include "ts_build.h"

#define FRAME	40u  /* bytes of a frame of sound */
#define PES_90K 3840 /* two frames at 48 kHz */
#define MPEG2	0x02

struct scene {
	struct ts_build build;
	struct ts_parse parse;
	struct units *units;
	uint8_t bytes[4 * TS_PACKET];
	/* what came out */
	unsigned count, changes;
	int64_t first, end, longest, channels, rate;
	bool holes; /* units do not follow each other */
};

static void collect(struct scene *s)
{
	AVPacket *unit = av_packet_alloc();

	while (units_next(s->units, unit) == 1) {
		if (units_changed(s->units)) {
			s->changes++;
			s->channels = units_parameters(s->units)->ch_layout.nb_channels;
			s->rate = units_parameters(s->units)->sample_rate;
		}
		cr_assert_gt(unit->duration, 0);
		s->holes = s->holes || (s->count > 0 && unit->dts != s->end);
		s->first = s->count++ > 0 ? s->first : unit->dts;
		s->end = unit->dts + unit->duration;
		s->longest = MAX(s->longest, unit->duration);
		av_packet_unref(unit);
	}
	av_packet_free(&unit);
}

/* Feeds what was built; units are those of this PID. */
static void pour(struct scene *s, unsigned pid)
{
	struct ts_rap rap;

	for (size_t at = 0; at < s->build.len; at += TS_PACKET) {
		const uint8_t *packet = s->bytes + at;

		ts_parse_packet(&s->parse, packet, at, &rap);
		if (!s->parse.stream_of[pid])
			continue;
		if (!s->units)
			cr_assert_eq(units_new(&s->parse.streams[s->parse.stream_of[pid] - 1],
					       &s->units),
				     0);
		if (ts_pid(packet) == pid)
			cr_assert_eq(units_packet(s->units,
						  &s->parse.streams[s->parse.stream_of[pid] - 1],
						  packet, at),
				     0);
		collect(s);
	}
	s->build.len = 0;
}

static struct scene *begin(void)
{
	static struct scene s;

	memset(&s, 0, sizeof(s));
	s.build = (struct ts_build){.bytes = s.bytes, .cap = sizeof(s.bytes)};
	ts_parse_init(&s.parse);
	build_pat(&s.build);
	build_pmt(&s.build, PID_VIDEO, MPEG2, 0, 0);
	return &s;
}

static void end(struct scene *s)
{
	units_gap(s->units, true);
	collect(s);
	s->units = units_free(s->units);
}

static void put_adts(uint8_t *at, unsigned rate, unsigned channels)
{
	const uint8_t head[] = {0xff,
				0xf1,
				(uint8_t)(1u << 6 | rate << 2 | channels >> 2),
				(uint8_t)((channels & 3) << 6),
				FRAME >> 3,
				(FRAME & 7) << 5 | 0x1f,
				0xfc};

	memset(at, 0x55, FRAME);
	memcpy(at, head, sizeof(head));
}

/* A PES with two frames. */
static void say(struct scene *s, int64_t pts_90k, unsigned rate, unsigned channels)
{
	uint8_t frames[2 * FRAME];

	put_adts(frames, rate, channels);
	put_adts(frames + FRAME, rate, channels);
	build_pes(&s->build, PID_AUDIO, TIME_NONE, pts_90k, false, frames, sizeof(frames));
	pour(s, PID_AUDIO);
}

static void show(struct scene *s, int64_t pts_90k)
{
	static const uint8_t picture[] = {0,	0,    1,    0xb3, 0x14, 0, 0xb4, 0x13,
					  0xff, 0xff, 0xe0, 0x18, 0,	0, 1,	 0,
					  0,	0x08, 0xff, 0xf8, 0,	0, 1,	 1};

	build_pes(&s->build, PID_VIDEO, TIME_NONE, pts_90k, true, picture, sizeof(picture));
	pour(s, PID_VIDEO);
}

Test(units, another_number_of_channels_is_a_change)
{
	struct scene *s = begin();

	for (unsigned i = 0; i < 4; i++)
		say(s, 90000 + i * PES_90K, 3, i < 2 ? 2 : 6);
	end(s);
	cr_expect_eq(s->count, 8);
	cr_expect_eq(s->changes, 2);
	cr_expect_eq(s->channels, 6);
	cr_expect_not(s->holes);
}

Test(units, another_sample_rate_is_a_change)
{
	struct scene *s = begin();

	say(s, 90000, 3, 2);
	say(s, 90000 + PES_90K, 4, 2);
	end(s);
	cr_expect_eq(s->changes, 2);
	cr_expect_eq(s->rate, 44100);
	/* counted at the new rate */
	cr_expect_eq(s->end, av_rescale(90000 + PES_90K, 44100, 90000) + 2 * 1024);
}

Test(units, bytes_that_look_like_a_header_change_nothing)
{
	struct scene *s = begin();
	uint8_t frames[2 * FRAME];

	say(s, 90000, 3, 2);
	/* the first frame is damaged, and holds what looks like another one */
	put_adts(frames, 3, 2);
	put_adts(frames + FRAME, 3, 2);
	frames[0] = 0;
	put_adts(frames + 11, 5, 1);
	put_adts(frames + FRAME, 3, 2);
	build_pes(&s->build, PID_AUDIO, TIME_NONE, 90000 + PES_90K, false, frames, sizeof(frames));
	pour(s, PID_AUDIO);
	end(s);
	cr_expect_eq(s->changes, 1);
	cr_expect_eq(s->channels, 2);
}

Test(units, a_short_hole_of_sound_is_filled)
{
	struct scene *s = begin();

	say(s, 90000, 3, 2);
	/* 128 ms are six frames, of which two are there */
	say(s, 90000 + 3 * PES_90K, 3, 2);
	end(s);
	cr_expect_eq(s->count, 8);
	cr_expect_not(s->holes);
	cr_expect_eq(s->end, 48000 + 8 * 1024);
}

Test(units, a_long_hole_of_sound_stays)
{
	struct scene *s = begin();

	say(s, 90000, 3, 2);
	say(s, 90000 + 10 * PES_90K, 3, 2);
	end(s);
	cr_expect_eq(s->count, 4);
	cr_expect(s->holes);
	cr_expect_eq(s->end, 48000 + 22 * 1024);
}

Test(units, a_picture_lasts_until_the_next_one)
{
	struct scene *s = begin();

	for (unsigned i = 0; i < 5; i++)
		show(s, 90000 + i * 3600);
	cr_expect_eq(s->count, 4, "complete when the next one begins: %u", s->count - 1);
	end(s);
	cr_expect_eq(s->count, 5);
	cr_expect_not(s->holes);
	cr_expect_eq(s->end, 90000 + 5 * 3600);
}

Test(units, pictures_do_not_last_over_a_hole)
{
	struct scene *s = begin();

	show(s, 90000);
	show(s, 93600);
	show(s, 93600 + 90000);
	show(s, 93600 + 93600);
	end(s);
	cr_expect_eq(s->longest, 3600);
	cr_expect(s->holes);
}

Test(units, pictures_a_second_apart_last_so_long)
{
	struct scene *s = begin();

	for (unsigned i = 0; i < 4; i++)
		show(s, (1 + i) * 90000);
	end(s);
	cr_expect_eq(s->longest, 90000);
	cr_expect_not(s->holes);
}

/* A picture of three packets, of which all but the first come so many times. */
static void show_large(struct scene *s, int64_t pts_90k, unsigned times)
{
	uint8_t packet[TS_PACKET];

	show(s, pts_90k);
	for (unsigned i = 1; i < 3; i++) {
		memcpy(packet, build_packet(&s->build, PID_VIDEO, false), TS_PACKET);
		s->build.len = 0;
		for (unsigned k = 0; k < times; k++) {
			memcpy(s->bytes, packet, TS_PACKET);
			s->build.len = TS_PACKET;
			pour(s, PID_VIDEO);
		}
	}
}

Test(units, packets_that_are_sent_twice_count_once)
{
	struct scene *s = begin();

	for (unsigned i = 0; i < 3; i++)
		show_large(s, 90000 + i * 3600, 1 + (i == 1));
	end(s);
	cr_expect_eq(s->count, 3, "%u", s->count);
	cr_expect_not(s->holes);
}

Test(units, a_first_time_that_is_far_off_is_no_duration)
{
	struct scene *s = begin();

	show(s, 90000);
	show(s, 90000 + 60 * 90000);
	show(s, 93600 + 60 * 90000);
	end(s);
	cr_expect_eq(s->count, 3);
	cr_expect_eq(s->longest, 3600);
}

/* A damaged source says anything. */
Test(units, times_that_do_not_advance_or_go_back_are_units, .timeout = 20)
{
	struct scene *s = begin();

	show(s, 90000);
	show(s, 90000);
	show(s, 90000);
	show(s, 86400);
	end(s);
	cr_expect_eq(s->count, 4);
	cr_expect_eq(s->longest, 3600);
}
