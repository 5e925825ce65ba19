#include "unit.h"

#include "amps-transcoder/ts/align.h"
#include "ts_build.h"

static uint8_t memory[4096 * TS_PACKET];
static struct ts_build b = {.bytes = memory, .cap = sizeof(memory)};
static struct ts_parse p;
static struct ts_rap rap;
static size_t fed;

/* Feeds what was built since the last time; the union of what was seen. */
static unsigned feed(void)
{
	unsigned saw = 0;
	struct ts_rap found;

	for (; fed < b.len; fed += TS_PACKET) {
		unsigned one = ts_parse_packet(&p, b.bytes + fed, fed, &found);

		if (one & TS_SAW_RAP)
			rap = found;
		saw |= one;
	}
	return saw;
}

static void begin(unsigned video_type, unsigned extra)
{
	ts_parse_init(&p);
	build_pat(&b);
	build_pmt(&b, PID_VIDEO, video_type, extra, 0);
	cr_assert(feed() & TS_SAW_PMT);
}

Test(ts_parse, reads_pat_and_pmt)
{
	char text[128];

	begin(0x1b, 0);
	cr_assert_eq(p.video_pid, PID_VIDEO);
	cr_assert_eq(p.audio_pid, PID_AUDIO);
	cr_assert_eq(p.pcr_pid, PID_VIDEO);
	ts_parse_streams_text(&p, text, sizeof(text));
	cr_assert_str_eq(text, "0:video:h264,1:audio:aac");
}

Test(ts_parse, a_flagged_picture_is_an_access_point_with_all_a_reader_needs)
{
	size_t at;

	begin(0x1b, 0);
	build_pes(&b, PID_AUDIO, TIME_NONE, 90000, true, NAL_SLICE);
	at = b.len;
	build_pes(&b, PID_VIDEO, 85000, 95000, true, NAL_SLICE);
	cr_assert(feed() & TS_SAW_RAP);
	cr_assert_eq(rap.pos, at);
	cr_assert_eq(rap.pts_90k, 95000);
	cr_assert_eq(rap.pcr_90k, 85000);
	cr_assert_eq(rap.psi_packets, 2);
	cr_assert_arr_eq(rap.psi, b.bytes, 2 * TS_PACKET);
	cr_assert_eq(rap.pid_count, 5); /* PAT, PMT, two streams, and where an SDT would be */
	cr_assert_eq(rap.pids[0].pid, 0);
	cr_assert_eq(rap.pids[0].cc, 15); /* the one before the PAT that is sent */
	cr_assert_eq(rap.pids[1].pid, PID_PMT);
	cr_assert_eq(rap.pids[2].pid, PID_VIDEO);
	cr_assert_eq(rap.pids[2].cc, 0xff); /* never seen before it */
	cr_assert_eq(rap.pids[3].pid, PID_AUDIO);
	cr_assert_eq(rap.pids[3].cc, 0);
}

Test(ts_parse, without_flags_the_access_point_is_found_in_the_bytes)
{
	size_t at;

	begin(0x1b, 0);
	build_pes(&b, PID_VIDEO, TIME_NONE, 90000, false, NAL_SLICE);
	cr_assert_not(feed() & TS_SAW_RAP);
	at = b.len;
	build_pes(&b, PID_VIDEO, TIME_NONE, 93600, false, NAL_IDR);
	cr_assert(feed() & TS_SAW_RAP);
	cr_assert_eq(rap.pos, at);
	cr_assert_eq(rap.pts_90k, 93600);
	cr_assert_eq(rap.pids[2].cc, 0);
}

Test(ts_parse, a_parameter_set_in_a_later_packet_counts_for_the_first)
{
	size_t at;
	uint64_t undecided;
	uint8_t *more;

	begin(0x1b, 0);
	at = b.len;
	build_pes(&b, PID_VIDEO, TIME_NONE, 90000, false, (const uint8_t *)"\0\0\1\x09", 4);
	cr_assert_not(feed() & TS_SAW_RAP);
	cr_assert(ts_parse_undecided(&p, &undecided));
	cr_assert_eq(undecided, at);
	build_pes(&b, PID_AUDIO, TIME_NONE, 90000, false, NAL_SLICE);
	more = build_packet(&b, PID_VIDEO, false);
	memcpy(more + 4, "\0\0\1\x67", 4);
	cr_assert(feed() & TS_SAW_RAP);
	cr_assert_eq(rap.pos, at);
	cr_assert_eq(rap.pids[3].cc, 0xff); /* as of the first packet: no audio yet */
	cr_assert_not(ts_parse_undecided(&p, &undecided));
}

Test(ts_parse, other_codecs)
{
	begin(0x24, 0);
	build_pes(&b, PID_VIDEO, TIME_NONE, 1, false, (const uint8_t *)"\0\0\1\x02\1", 5);
	cr_assert_not(feed() & TS_SAW_RAP);
	build_pes(&b, PID_VIDEO, TIME_NONE, 1, false, (const uint8_t *)"\0\0\1\x40\1", 5);
	cr_assert(feed() & TS_SAW_RAP);
	/* the last and the first type that are no random access, and those between */
	for (unsigned type = 15; type <= 22; type++) {
		const uint8_t nal[] = {0, 0, 1, (uint8_t)(type << 1), 1};

		build_pes(&b, PID_VIDEO, TIME_NONE, 1, false, nal, sizeof(nal));
		cr_assert_eq((feed() & TS_SAW_RAP) != 0, type >= 16 && type <= 21, "%u", type);
	}
	build_pmt(&b, PID_VIDEO, 0x02, 0, 1);
	cr_assert(feed() & TS_SAW_PMT);
	build_pes(&b, PID_VIDEO, TIME_NONE, 1, false, (const uint8_t *)"\0\0\1\0\1", 5);
	cr_assert_not(feed() & TS_SAW_RAP);
	build_pes(&b, PID_VIDEO, TIME_NONE, 1, false, (const uint8_t *)"\0\0\1\xb3\1", 5);
	cr_assert(feed() & TS_SAW_RAP);
}

Test(ts_parse, sound_alone_starts_anywhere)
{
	ts_parse_init(&p);
	build_pat(&b);
	build_pmt(&b, 0, 0, 0, 0);
	build_pes(&b, PID_AUDIO, 1000, 2000, false, NAL_SLICE);
	cr_assert(feed() & TS_SAW_RAP);
	cr_assert_eq(p.video_pid, TS_PID_NONE);
	cr_assert_eq(p.clock_90k, 1000);
}

Test(ts_parse, a_pmt_of_many_packets)
{
	begin(0x1b, 11);
	cr_assert_eq(p.stream_count, 13);
	cr_assert_geq(p.pmt.done_count, 4);
	build_pes(&b, PID_VIDEO, 0, 10, true, NAL_IDR);
	cr_assert(feed() & TS_SAW_RAP);
	cr_assert_eq(rap.psi_packets, 1 + p.pmt.done_count);
	cr_assert_arr_eq(rap.psi, b.bytes, rap.psi_packets * TS_PACKET);
	cr_assert_eq(rap.pid_count, TS_RAP_PIDS);
}

Test(ts_parse, pids_may_change)
{
	begin(0x1b, 0);
	build_pmt(&b, 0x200, 0x24, 0, 1);
	cr_assert(feed() & TS_SAW_PMT);
	cr_assert_eq(p.video_pid, 0x200);
	build_pes(&b, PID_VIDEO, TIME_NONE, 90000, true, NAL_IDR);
	cr_assert_not(feed() & TS_SAW_RAP);
	build_pes(&b, 0x200, 5, 90000, true, NAL_IDR);
	cr_assert(feed() & TS_SAW_RAP);
	cr_assert_eq(rap.pos, b.len - TS_PACKET);
	/* the same table again is no change */
	build_pmt(&b, 0x200, 0x24, 0, 1);
	cr_assert_not(feed() & TS_SAW_PMT);
}

Test(ts_parse, a_damaged_section_is_ignored)
{
	ts_parse_init(&p);
	build_pat(&b);
	build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
	b.bytes[TS_PACKET + 20] ^= 1;
	cr_assert_not(feed() & TS_SAW_PMT);
	cr_assert_eq(p.video_pid, TS_PID_NONE);
}

Test(ts_parse, a_damaged_table_causes_no_gap_for_new_readers)
{
	uint8_t second[64] = {0x00, 0, 0, 0, 1, 0xc1, 1, 1, 0, 2, 0xe3, 0x00};

	begin(0x1b, 0);
	build_section(&b, 0, second, 12);
	build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
	b.bytes[b.len - TS_PACKET + 20] ^= 1;
	build_pes(&b, PID_VIDEO, 0, 10, true, NAL_IDR);
	cr_assert(feed() & TS_SAW_RAP);
	cr_assert_eq(rap.psi_packets, 2);
	cr_assert_eq(rap.psi[3] & 0x0f, 1);
	cr_assert_eq(rap.psi[TS_PACKET + 3] & 0x0f, 1);
	cr_assert_eq(rap.pids[0].cc, 0);
	cr_assert_eq(rap.pids[1].cc, 0);
	/* nothing else of them is new */
	cr_assert_arr_eq(rap.psi + 4, b.bytes + 4, TS_PACKET - 4);
	cr_assert_arr_eq(rap.psi + TS_PACKET + 4, b.bytes + TS_PACKET + 4, TS_PACKET - 4);
}

Test(ts_parse, a_field_that_exceeds_its_packet_is_ignored)
{
	begin(0x1b, 0);
	build_pes(&b, PID_VIDEO, 9000, 10000, true, NAL_IDR);
	feed();
	for (unsigned len = 184; len <= 255; len++) {
		build_pes(&b, PID_VIDEO, 1ll << 32, 1ll << 31, true, NAL_IDR)[4] = (uint8_t)len;
		cr_assert_eq(feed() & (TS_SAW_PCR | TS_SAW_PES | TS_SAW_RAP), 0, "%u", len);
	}
	cr_assert_eq(p.pcr_90k, 9000);
	cr_assert_eq(p.frontier_90k, 10000);
}

Test(ts_parse, a_second_section_of_the_pat_changes_no_programme)
{
	uint8_t second[64] = {0x00, 0, 0, 0, 1, 0xc1, 1, 1, 0, 2, 0xe3, 0x00};

	begin(0x1b, 0);
	build_section(&b, 0, second, 12);
	feed();
	cr_assert_eq(p.program, 1);
	cr_assert_eq(p.pmt_pid, PID_PMT);
	cr_assert_eq(p.video_pid, PID_VIDEO);
	build_pat(&b);
	build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
	cr_assert_not(feed() & TS_SAW_PMT, "it was never another");
}

Test(ts_parse, continuity)
{
	begin(0x1b, 0);
	build_packet(&b, PID_VIDEO, false);
	build_packet(&b, PID_VIDEO, false);
	b.cc[PID_VIDEO]--; /* a duplicate */
	build_packet(&b, PID_VIDEO, false);
	feed();
	cr_assert_eq(p.cc_errors, 0);
	b.cc[PID_VIDEO]++;
	build_packet(&b, PID_VIDEO, false);
	feed();
	cr_assert_eq(p.cc_errors, 1);
	b.cc[PID_VIDEO] += 3;
	build_pes(&b, PID_VIDEO, 0, 10, false, NAL_SLICE)[5] |= TS_FLAG_DISCONTINUITY;
	feed();
	cr_assert_eq(p.cc_errors, 1);
}

Test(ts_parse, time_continues_over_33_bits)
{
	int64_t end = 1ll << 33;

	begin(0x1b, 0);
	for (int i = -5; i < 5; i++)
		build_pes(&b, PID_VIDEO, end + i * 3600 - 9000, end + i * 3600, true, NAL_IDR);
	feed();
	cr_assert_eq(p.pcr_90k, end + 4 * 3600 - 9000);
	cr_assert_eq(rap.pts_90k, end + 4 * 3600);
	cr_assert_eq(p.frontier_90k, end + 5 * 3600);
	cr_assert_eq(ts_unwrap(5, (1ll << 33) - 5), -5);
	cr_assert_eq(ts_unwrap((1ll << 33) - 5, 5), (1ll << 33) + 5);
	cr_assert_eq(ts_unwrap(TIME_NONE, 7), 7);
}

Test(ts_parse, a_damaged_timestamp_does_not_move_the_frontier)
{
	begin(0x1b, 0);
	build_pes(&b, PID_VIDEO, 0, 9000, true, NAL_IDR);
	build_pes(&b, PID_VIDEO, TIME_NONE, 1ll << 31, false, NAL_SLICE);
	feed();
	cr_assert_eq(p.frontier_90k, 9000);
}

Test(ts_parse, timestamps_are_written_as_they_are_read)
{
	uint8_t five[5] = {0x21, 0, 1, 0, 1};

	for (int64_t t = 0; t < 1ll << 33; t += 123456789) {
		ts_time_put(five, t);
		cr_assert_eq(ts_time_get(five), t);
		cr_assert_eq(five[0] & 0xf1, 0x21);
		cr_assert_eq(five[2] & 1, 1);
		cr_assert_eq(five[4] & 1, 1);
	}
}

static void clean_stream(uint8_t *to, size_t packets, size_t spacing)
{
	memset(to, 0, packets * spacing);
	for (size_t i = 0; i < packets; i++) {
		to[i * spacing] = TS_SYNC;
		to[i * spacing + 1] = (uint8_t)(i + 1);
	}
}

Test(ts_align, a_clean_stream_is_not_touched)
{
	uint8_t buf[10 * TS_PACKET], copy[sizeof(buf)];
	struct ts_align a = {0};
	size_t rest;

	clean_stream(buf, 10, TS_PACKET);
	memcpy(copy, buf, sizeof(buf));
	cr_assert_eq(ts_align(&a, buf, sizeof(buf) - 50, &rest), 9 * TS_PACKET);
	cr_assert_eq(rest, TS_PACKET - 50);
	cr_assert_arr_eq(buf, copy, sizeof(buf));
	cr_assert_eq(a.dropped, 0);
}

Test(ts_align, garbage_is_skipped)
{
	uint8_t buf[20 * TS_PACKET];
	struct ts_align a = {0};
	size_t rest;

	memset(buf, 0x47, 100); /* even of sync bytes */
	clean_stream(buf + 100, 5, TS_PACKET);
	memset(buf + 100 + 5 * TS_PACKET, 0xaa, 77);
	clean_stream(buf + 177 + 5 * TS_PACKET, 5, TS_PACKET);
	cr_assert_eq(ts_align(&a, buf, 177 + 10 * TS_PACKET, &rest), 10 * TS_PACKET);
	cr_assert_eq(rest, 0);
	cr_assert_eq(a.dropped, 177);
	cr_assert_eq(a.losses, 1);
	for (size_t i = 0; i < 10; i++) {
		cr_assert_eq(buf[i * TS_PACKET], TS_SYNC);
		cr_assert_eq(buf[i * TS_PACKET + 1], i % 5 + 1);
	}
}

Test(ts_align, wider_spacings)
{
	static const size_t spacings[] = {192, 204};

	for (size_t s = 0; s < array_size(spacings); s++) {
		uint8_t buf[10 * 204];
		struct ts_align a = {0};
		size_t rest;

		clean_stream(buf, 10, spacings[s]);
		cr_assert(ts_align_probe(buf, sizeof(buf)));
		cr_assert_eq(ts_align(&a, buf, 10 * spacings[s], &rest), 10 * TS_PACKET);
		for (size_t i = 0; i < 10; i++)
			cr_assert_eq(buf[i * TS_PACKET + 1], i + 1);
	}
}

Test(ts_align, the_last_packet_of_a_file_needs_nothing_behind_it)
{
	uint8_t buf[4 + 5 * 192] = {0};
	struct ts_align a = {0};
	size_t rest, len = sizeof(buf) - 4;

	clean_stream(buf + 4, 5, 192);
	cr_assert_eq(ts_align(&a, buf, len, &rest), 5 * TS_PACKET);
	cr_assert_eq(rest, 0);
	cr_assert_eq(buf[4 * TS_PACKET + 1], 5);
	/* bytes between packets may come later, or the file may start again */
	for (int round = 0; round < 2; round++) {
		memset(buf, 0, sizeof(buf));
		clean_stream(buf + 4, 5, 192);
		cr_assert_eq(ts_align(&a, buf, len, &rest), 5 * TS_PACKET);
		cr_assert_eq(buf[1], 1);
		ts_align_restart(&a);
	}
	cr_assert_eq(a.losses, 0);
}

Test(ts_align, the_result_does_not_depend_on_the_size_of_reads)
{
	uint8_t stream[6 * TS_PACKET], buf[sizeof(stream)];
	struct ts_align a = {0};
	size_t have = 0, out = 0, rest;

	clean_stream(stream, 6, TS_PACKET);
	for (size_t i = 0; i < sizeof(stream); i++) {
		size_t n;

		buf[have] = stream[i];
		n = ts_align(&a, buf, have + 1, &rest);
		out += n;
		memmove(buf, buf + n, rest);
		have = rest;
	}
	cr_assert_eq(out, sizeof(stream));
	cr_assert_eq(a.dropped, 0);
}

Test(ts_align, text_is_refused)
{
	uint8_t text[1024];

	memset(text, 'G', 3);
	memset(text + 3, 'x', sizeof(text) - 3);
	cr_assert_not(ts_align_probe(text, sizeof(text)));
	cr_assert_not(ts_align_probe(text, 0));
}

/* What is spliced behind it must continue from its counter, which does not change. */
Test(ts_parse, the_counter_of_a_pid_with_clocks_only_is_known)
{
	uint8_t packet[TS_PACKET] = {TS_SYNC, 0x02, 0x00, 0x20, 183, 0x10};
	struct ts_parse *parse = calloc(1, sizeof(*parse));
	struct ts_rap unused;

	ts_parse_init(parse);
	ts_parse_packet(parse, packet, 0, &unused);
	ts_parse_packet(parse, packet, TS_PACKET, &unused);
	cr_assert_eq(parse->cc[0x200], 0);
	cr_assert_eq(parse->cc_errors, 0);
	free(parse);
}

Test(ts_parse, any_picture_is_an_access_point_when_asked_for)
{
	begin(0x1b, 0);
	build_pes(&b, PID_VIDEO, TIME_NONE, 90000, false, NAL_SLICE);
	cr_assert_not(feed() & TS_SAW_RAP);
	p.any_picture = true;
	build_pes(&b, PID_AUDIO, TIME_NONE, 90000, false, NAL_SLICE);
	cr_assert_not(feed() & TS_SAW_RAP);
	build_pes(&b, PID_VIDEO, TIME_NONE, 93600, false, NAL_SLICE);
	cr_assert(feed() & TS_SAW_RAP);
	cr_assert_eq(rap.pts_90k, 93600);
	/* that one alone */
	build_pes(&b, PID_VIDEO, TIME_NONE, 97200, false, NAL_SLICE);
	cr_assert_not(feed() & TS_SAW_RAP);
}

Test(ts_parse, sound_in_private_streams)
{
	static const struct {
		const char *descriptors;
		size_t n;
		const char *codec;
	} rows[] = {
		{"\x6a\x01\x00", 3, "ac3"},
		{"\x7b\x01\x00", 3, "dts"},
		{"\x7f\x02\x15\x00", 4, "ac4"},
		{"\x7f\x02\x0e\x00", 4, "dts"},
		{"\x05\x04"
		 "AC-4",
		 6, "ac4"},
		{"\x0a\x04"
		 "deu\x00\x7f\x02\x15\x00",
		 10, "ac4"},
		{"\x7f\x01\x20", 3, ""},
		{"\x7f\x00", 2, ""},
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		uint8_t s[256] = {0x02,
				  0,
				  0,
				  0,
				  1,
				  (uint8_t)(0xc1 | i << 1),
				  0,
				  0,
				  0xe1,
				  0x01,
				  0xf0,
				  0,
				  0x06,
				  0xe0 | PID_AUDIO >> 8,
				  PID_AUDIO & 0xff,
				  0xf0,
				  (uint8_t)rows[i].n};

		if (i == 0) {
			ts_parse_init(&p);
			build_pat(&b);
		}
		memcpy(s + 17, rows[i].descriptors, rows[i].n);
		build_section(&b, PID_PMT, s, 17 + rows[i].n);
		cr_assert(feed() & TS_SAW_PMT);
		cr_expect_str_eq(p.streams[0].codec, rows[i].codec, "row %zu", i);
		cr_expect_eq(p.streams[0].kind, rows[i].codec[0] ? TS_KIND_AUDIO : TS_KIND_OTHER);
	}
}

/* A packet whose PES begins `at` bytes into it, with these flags and so many bytes of times. */
static struct ts_pes find_pes(unsigned at, uint8_t flags, uint8_t header)
{
	uint8_t packet[TS_PACKET] = {TS_SYNC, 0x41, 0x01, 0x30, (uint8_t)(at - 5)};
	const uint8_t pes[9] = {0, 0, 1, 0xe0, 0, 0, 0x80, flags, header};
	struct ts_pes found;

	memcpy(packet + at, pes, sizeof(pes));
	cr_assert(ts_pes_find(packet, &found), "%u", at);
	return found;
}

Test(ts_parse, a_time_that_ends_with_its_packet_is_read_and_one_cut_in_two_is_not)
{
	cr_expect_eq(find_pes(TS_PACKET - 14, 0x80, 5).pts_at, TS_PACKET - 5);
	cr_expect_eq(find_pes(TS_PACKET - 13, 0x80, 5).pts_at, 0);
	cr_expect_eq(find_pes(TS_PACKET - 19, 0xc0, 10).dts_at, TS_PACKET - 5);
	cr_expect_eq(find_pes(TS_PACKET - 18, 0xc0, 10).dts_at, 0);
	cr_expect_eq(find_pes(TS_PACKET - 18, 0xc0, 10).pts_at, TS_PACKET - 9);
}

Test(ts_align, only_available_bytes_are_read)
{
	uint8_t buf[3 * TS_PACKET];

	clean_stream(buf, 3, TS_PACKET);
	cr_assert_not(ts_align_probe(buf, 2 * TS_PACKET));
	cr_assert(ts_align_probe(buf, 2 * TS_PACKET + 1));
}
