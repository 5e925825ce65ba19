#include "unit.h"

#include "amps-transcoder/ts/rewrite.h"
#include "amps-transcoder/ts/scan.h"
#include "ts_build.h"

static uint8_t memory[4096 * TS_PACKET], original[sizeof(memory)];
static struct ts_build b = {.bytes = memory, .cap = sizeof(memory)};
static struct ts_parse p;
static struct ts_rewrite w;
/* the same through the short way where there is one */
static uint8_t memory_short[sizeof(memory)];
static struct ts_parse p_short;
static struct ts_rewrite w_short;
static size_t fed;
static unsigned marks;
static int64_t last_pcr = TIME_NONE, last_pts = TIME_NONE, smallest_step = INT64_MAX, largest_step;

static void check_time(const uint8_t *packet)
{
	struct ts_pes pes;

	if (ts_adaptation_flags(packet) & TS_FLAG_DISCONTINUITY)
		marks++;
	if (ts_pcr_base(packet) != TIME_NONE) {
		int64_t pcr = ts_unwrap(last_pcr, ts_pcr_base(packet));

		cr_assert(last_pcr == TIME_NONE || pcr > last_pcr, "the PCR goes back");
		last_pcr = pcr;
	}
	if (ts_pid(packet) == PID_VIDEO && ts_pes_find(packet, &pes)) {
		int64_t pts = ts_unwrap(last_pts, ts_time_get(packet + pes.pts_at));

		if (last_pts != TIME_NONE) {
			smallest_step = MIN(smallest_step, pts - last_pts);
			largest_step = MAX(largest_step, pts - last_pts);
		}
		last_pts = pts;
	}
}

/* One packet; with `at_hand` of them it may look ahead. */
static void feed_one(size_t at_hand)
{
	uint8_t *packet = memory_short + fed;
	struct ts_rap rap;

	ts_rewrite_packet(&w, &p, memory + fed, at_hand);
	check_time(memory + fed);
	ts_parse_packet(&p, memory + fed, fed, &rap);
	if (!ts_rewrite_middle(&w_short, &p_short, packet)) {
		ts_rewrite_packet(&w_short, &p_short, packet, at_hand);
		ts_parse_packet(&p_short, packet, fed, &rap);
	}
	cr_assert_arr_eq(packet, memory + fed, TS_PACKET);
	cr_assert_eq(p_short.packets, p.packets);
	cr_assert_eq(p_short.media_packets, p.media_packets);
}

/* At most so many packets are at hand. */
static void feed_with(size_t most)
{
	memcpy(original + fed, memory + fed, b.len - fed);
	memcpy(memory_short + fed, memory + fed, b.len - fed);
	w_short = w; /* with the splices that were asked for meanwhile */
	w_short.owner = &p_short;
	for (; fed < b.len; fed += TS_PACKET)
		feed_one(MIN((b.len - fed) / TS_PACKET, most));
}

static void feed(void)
{
	feed_with(SIZE_MAX);
}

static void begin(void)
{
	ts_parse_init(&p);
	ts_rewrite_init(&w);
	ts_parse_init(&p_short);
	build_pat(&b);
	build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
}

/* n pictures of 40 ms from `from` on, each with a PCR 0.5 s before it, and sound. */
static void pictures(int64_t from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int64_t pts = from + i * 3600;

		build_pes(&b, PID_VIDEO, pts - 45000, pts, i % 10 == 0, NAL_SLICE);
		build_packet(&b, PID_VIDEO, false);
		build_pes(&b, PID_AUDIO, TIME_NONE, pts, false, NAL_SLICE);
	}
}

Test(ts_rewrite, not_a_bit_changes_before_a_splice)
{
	begin();
	pictures(900000, 50);
	pictures(900000 + 50 * 3600 + 400000,
		 50); /* a hole of four seconds is a loss, not a splice */
	pictures((1ll << 33) - 90000, 0);
	feed();
	cr_assert_arr_eq(memory, original, b.len);
	cr_assert_eq(w.splices, 0);
}

Test(ts_rewrite, not_a_bit_changes_over_33_bits)
{
	begin();
	pictures((1ll << 33) - 90000, 60);
	feed();
	cr_assert_arr_eq(memory, original, b.len);
	cr_assert_eq(w.splices, 0);
}

Test(ts_rewrite, a_loop_continues_without_a_mark)
{
	begin();
	pictures(900000, 50);
	feed();
	for (int round = 0; round < 40; round++) {
		ts_rewrite_splice(&w, p.frontier_90k, false);
		memset(b.cc, 0, sizeof(b.cc)); /* the file again */
		build_pat(&b);
		build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
		pictures(900000, 20);
		feed();
	}
	cr_assert_eq(marks, 0);
	cr_assert_eq(p.cc_errors, 0);
	cr_assert_eq(smallest_step, 3600);
	cr_assert_eq(largest_step, 3600);
}

Test(ts_rewrite, a_repeated_round_continues_by_its_length_not_the_frontier)
{
	begin();
	pictures(900000, 20);
	feed();
	for (int round = 0; round < 40; round++) {
		ts_rewrite_repeat(&w, p.frontier_90k + 7777, 20 * 3600);
		memset(b.cc, 0, sizeof(b.cc));
		pictures(900000, 20);
		feed();
	}
	cr_assert_eq(marks, 0);
	cr_assert_eq(p.cc_errors, 0);
	cr_assert_eq(smallest_step, 3600);
	cr_assert_eq(largest_step, 3600);
}

Test(ts_rewrite, a_round_with_a_jump_is_repeated_from_its_beginning)
{
	begin();
	pictures(900000, 20);
	pictures(90000000, 20);
	feed();
	for (int round = 0; round < 3; round++) {
		ts_rewrite_repeat(&w, p.frontier_90k, 40 * 3600);
		pictures(900000, 20);
		pictures(90000000, 20);
		feed();
	}
	cr_assert_eq(marks, 4);
	cr_assert_eq(smallest_step, 3600);
	cr_assert_eq(largest_step, 3600);
}

Test(ts_rewrite, a_new_source_continues_at_the_frontier)
{
	begin();
	pictures(900000, 20);
	feed();
	ts_rewrite_repeat(&w, p.frontier_90k, 20 * 3600);
	memset(b.cc, 0, sizeof(b.cc));
	pictures(123456789, 20);
	feed();
	cr_assert_eq(smallest_step, 3600);
	cr_assert_eq(largest_step, 3600);
}

Test(ts_rewrite, a_new_job_continues_after_the_old_frontier)
{
	begin();
	ts_rewrite_splice(&w, (1ll << 33) - 1000, true);
	pictures(123456, 50);
	feed();
	cr_assert_eq(marks, 1);
	cr_assert_eq(last_pts, (1ll << 33) - 1000 + 49 * 3600 - (1ll << 33) + (1ll << 33));
	cr_assert_eq(p.cc_errors, 0);
}

Test(ts_rewrite, jumps_become_one_mark_each)
{
	static const int64_t jumps[] = {100 * 90000ll, -90000, -500 * 90000ll, 1ll << 32};
	int64_t at = 9000000;

	begin();
	pictures(at, 25);
	for (size_t i = 0; i < array_size(jumps); i++) {
		at += 25 * 3600 + jumps[i];
		pictures(at, 25);
		feed();
		cr_assert_eq(marks, i + 1, "%zu: %u", i, marks);
	}
	cr_assert_gt(smallest_step, 0);
	cr_assert_leq(largest_step, 90000);
	cr_assert_eq(p.cc_errors, 0);
}

#define EARLY	    1800 /* so much the sound begins before the pictures, which end with it */
#define SOUND_STEP  18360
#define FILM_LENGTH (5 * SOUND_STEP)

/* A second of pictures, behind five of which a PES of sound comes each. */
static void build_film(void)
{
	for (unsigned i = 0; i < 25; i++) {
		int64_t pts = 900000 + i * 3600;

		build_pes(&b, PID_VIDEO, pts - 45000, pts, i == 0, NAL_SLICE);
		if (i % 5 == 4)
			build_pes(&b, PID_AUDIO, TIME_NONE, 900000 - EARLY + i / 5 * SOUND_STEP,
				  false, NAL_SLICE);
	}
}

Test(ts_rewrite, a_source_that_repeats_its_times_keeps_the_length_of_its_rounds)
{
	int64_t begun = TIME_NONE;

	cr_assert_eq(FILM_LENGTH, 25 * 3600 + EARLY);
	begin();
	for (int round = 0; round < 40; round++) {
		build_film();
		feed_with(1);
		/* the second one shows how a round begins */
		if (round == 1)
			begun = last_pts;
	}
	cr_assert_eq(p.cc_errors, 0);
	cr_assert_eq(marks, 39);
	cr_assert_eq(last_pts - begun, 38 * FILM_LENGTH);
}

#define LAST_SOUND 9600

static void measure(void *owner)
{
	struct ts_parse *parse = owner;

	ts_parse_last_unit(parse, parse->stream_of[PID_AUDIO] - 1u, LAST_SOUND);
}

/* The last PES of sound has more frames than those before it, and the next one less. */
Test(ts_rewrite, sound_that_jumps_begins_behind_the_last_one_of_its_real_length)
{
	int64_t end;

	begin();
	ts_rewrite_on_jump(&w, measure, &p);
	pictures(900000, 25);
	feed();
	end = 900000 + 24 * 3600 + LAST_SOUND;
	build_pes(&b, PID_AUDIO, TIME_NONE, 90000000, false, NAL_SLICE);
	build_pes(&b, PID_VIDEO, 90000000 - 45000, 90000000, true, NAL_SLICE);
	feed();
	cr_assert_eq(w.splices, 1);
	cr_assert_eq(p.streams[p.stream_of[PID_AUDIO] - 1].last_pts_90k, end);
	/* a picture that comes with it may be earlier, but the sound is not */
	build_pes(&b, PID_VIDEO, 900000 - 45000, 900000, true, NAL_SLICE);
	build_pes(&b, PID_AUDIO, TIME_NONE, 900000, false, NAL_SLICE);
	feed();
	cr_assert_eq(w.splices, 2);
	cr_assert_eq(p.streams[p.stream_of[PID_AUDIO] - 1].last_pts_90k, end + LAST_SOUND);
}

Test(ts_rewrite, the_clock_of_the_timeline_before_does_not_go_back)
{
	begin();
	ts_rewrite_splice(&w, 2000000, true);
	/* its PCRs were only 10,000 ticks ahead, those of the next one are 45,000 */
	ts_rewrite_clock_after(&w, 1990000);
	pictures(900000, 5);
	feed();
	cr_assert_eq(p.pcr_90k, 1990001 + 4 * 3600);
	cr_assert_eq(last_pts, 1990001 + 45000 + 4 * 3600);
	cr_assert_eq(marks, 1);
}

Test(ts_rewrite, the_clock_does_not_go_back_if_its_first_value_comes_behind_a_picture)
{
	begin();
	ts_rewrite_splice(&w, 2000000, true);
	ts_rewrite_clock_after(&w, 1990000);
	build_pes(&b, PID_VIDEO, TIME_NONE, 900000, true, NAL_SLICE);
	feed();
	cr_assert_eq(last_pts, 2000000);
	pictures(903600, 5);
	feed();
	cr_assert_eq(p.pcr_90k, 1990001 + 4 * 3600);
	cr_assert_eq(last_pts, 1990001 + 45000 + 4 * 3600);
}

Test(ts_rewrite, an_indicator_with_another_time_is_a_splice_and_keeps_its_one_mark)
{
	size_t at;

	begin();
	pictures(900000, 25);
	at = b.len;
	pictures(900000 + 25 * 3600 + 450000, 25);
	memory[at + 5] |= TS_FLAG_DISCONTINUITY;
	feed();
	cr_assert_eq(w.splices, 1);
	cr_assert_eq(marks, 1);
	cr_assert_leq(largest_step, 90000);
}

Test(ts_rewrite, an_indicator_without_a_time_jump_changes_nothing)
{
	size_t at;

	begin();
	pictures(900000, 25);
	at = b.len;
	pictures(900000 + 25 * 3600, 25);
	memory[at + 5] |= TS_FLAG_DISCONTINUITY;
	feed();
	cr_assert_eq(w.splices, 0);
	cr_assert_arr_eq(memory, original, b.len);
}

Test(ts_rewrite, old_sound_after_the_splice_keeps_its_time)
{
	int64_t pts;
	struct ts_pes pes;

	begin();
	pictures(900000, 25);
	pictures(90000000, 1);
	build_pes(&b, PID_AUDIO, TIME_NONE, 900000 + 25 * 3600, false, NAL_SLICE);
	pictures(90003600, 5);
	feed();
	cr_assert(ts_pes_find(memory + (2 + 26 * 3) * TS_PACKET, &pes));
	pts = ts_time_get(memory + (2 + 26 * 3) * TS_PACKET + pes.pts_at);
	cr_assert_eq(pts, 900000 + 25 * 3600);
	cr_assert_eq(w.splices, 1);
}

Test(ts_rewrite, sound_that_comes_before_its_pcr_begins_the_splice)
{
	begin();
	pictures(900000, 25);
	build_pes(&b, PID_AUDIO, TIME_NONE, 90000000, false, NAL_SLICE);
	pictures(90000000, 25);
	feed();
	cr_assert_eq(w.splices, 1);
	cr_assert_eq(marks, 1);
	cr_assert_leq(p.frontier_90k, 900000 + 51 * 3600 + 90000);
}

/* As feed(), with one packet at hand each time: nothing to look ahead to. */
static void feed_singly(void)
{
	memcpy(original + fed, memory + fed, b.len - fed);
	memcpy(memory_short + fed, memory + fed, b.len - fed);
	for (; fed < b.len; fed += TS_PACKET)
		feed_one(1);
}

Test(ts_rewrite, a_stream_that_begins_with_sound_is_spliced_before_its_first_pcr)
{
	/* away, back to where the first was left, half a second back */
	static const int64_t back = 900000 + 25 * 3600;
	const int64_t starts[] = {90000000, back, back + 50 * 3600 - 45000};

	begin();
	pictures(900000, 25);
	for (size_t i = 0; i < array_size(starts); i++) {
		for (unsigned pid = 0; pid < TS_PIDS; pid++)
			b.cc[pid] = (uint8_t)(b.cc[pid] + 7);
		build_pat(&b);
		build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
		build_pes(&b, PID_AUDIO, TIME_NONE, starts[i], false, NAL_SLICE);
		pictures(starts[i], 50);
		feed_singly();
		cr_assert_eq(w.splices, i + 1);
		cr_assert_eq(marks, i + 1);
	}
	cr_assert_eq(p.cc_errors, 0);
	cr_assert_gt(smallest_step, 0);
	cr_assert_leq(largest_step, 90000);
}

Test(ts_rewrite, only_the_counter_of_a_table_changes)
{
	size_t second;

	begin();
	pictures(900000, 25);
	second = b.len;
	b.cc[0] += 5;
	build_pat(&b);
	pictures(900000 + 25 * 3600, 25);
	feed();
	cr_assert_eq(w.splices, 0);
	cr_assert_eq(p.cc_errors, 0);
	memory[second + 3] = original[second + 3];
	cr_assert_arr_eq(memory, original, b.len);
}

/* The versions of PAT and PMT, each section with a good CRC, at least `least` of them. */
static void assert_versions(size_t from, unsigned pat, unsigned pmt, unsigned least)
{
	struct ts_parse q;
	unsigned seen = 0;
	struct ts_rap rap;

	ts_parse_init(&q);
	for (size_t at = from; at < b.len; at += TS_PACKET) {
		const uint8_t *packet = memory + at;

		if (ts_pid(packet) == 0)
			cr_assert_eq(packet[5 + 5] >> 1 & 31, pat);
		if (ts_pid(packet) == PID_PMT && ts_pusi(packet))
			cr_assert_eq(packet[5 + 5] >> 1 & 31, pmt);
		seen += (ts_parse_packet(&q, packet, at, &rap) & TS_SAW_PMT) != 0;
	}
	cr_assert_geq(seen, least, "no PMT is intact");
}

Test(ts_rewrite, tables_after_a_splice_have_a_new_version_and_a_valid_checksum)
{
	/* one section in one packet, over several, with its sum in two of them */
	for (unsigned extra = 0; extra < 14; extra++) {
		b.len = fed = 0;
		memset(b.cc, 0, sizeof(b.cc));
		last_pcr = last_pts = TIME_NONE;
		ts_parse_init(&p);
		ts_rewrite_init(&w);
		ts_parse_init(&p_short);
		ts_rewrite_splice(&w, 900000, true);
		w.version_add = 7;
		build_pat(&b);
		build_pmt(&b, PID_VIDEO, 0x1b, extra, 30);
		pictures(900000, 5);
		feed();
		assert_versions(0, 7, 5, 1);
	}
}

Test(ts_rewrite, a_damaged_table_stays_damaged)
{
	begin();
	memory[b.len - TS_PACKET + 20] ^= 1;
	ts_rewrite_splice(&w, 900000, true);
	w.version_add = 7;
	pictures(900000, 5);
	feed();
	cr_assert_eq(p.pmt.done_count, 0);
}

Test(ts_rewrite, a_damaged_timestamp_is_no_splice)
{
	begin();
	pictures(900000, 25);
	build_pes(&b, PID_AUDIO, TIME_NONE, 1ll << 32, false, NAL_SLICE);
	pictures(900000 + 25 * 3600, 25);
	feed();
	cr_assert_eq(w.splices, 0);
}

Test(ts_rewrite, reordered_datagrams_are_no_splice)
{
	begin();
	pictures(900000, 25);
	build_pes(&b, PID_VIDEO, 900000 + 23 * 3600 - 45000, 900000 + 23 * 3600, false, NAL_SLICE);
	last_pcr = TIME_NONE;
	memcpy(original, memory, b.len);
	for (; fed < b.len; fed += TS_PACKET) {
		struct ts_rap rap;

		ts_rewrite_packet(&w, &p, memory + fed, (b.len - fed) / TS_PACKET);
		ts_parse_packet(&p, memory + fed, fed, &rap);
	}
	cr_assert_eq(w.splices, 0);
}

Test(ts_rewrite, without_pcrs_the_pictures_serve_as_the_clock)
{
	begin();
	for (int i = 0; i < 20; i++)
		build_pes(&b, PID_VIDEO, TIME_NONE, 900000 + i * 3600, false, NAL_SLICE);
	for (int i = 0; i < 20; i++)
		build_pes(&b, PID_VIDEO, TIME_NONE, 90 + i * 3600, false, NAL_SLICE);
	feed();
	cr_assert_eq(w.splices, 1);
	cr_assert_eq(smallest_step, 3600);
	cr_assert_eq(largest_step, 3600);
}

/* It is tried on a copy, so that the next try finds everything as it was. */
static bool is_middle(unsigned pid, unsigned byte, unsigned bits)
{
	uint8_t packet[TS_PACKET];
	struct ts_parse p_copy = p;
	struct ts_rewrite w_copy = w;

	memcpy(packet, build_packet(&b, pid, false), TS_PACKET);
	b.len -= TS_PACKET;
	b.cc[pid]--;
	packet[byte] = (uint8_t)(packet[byte] ^ bits);
	return ts_rewrite_middle(&w_copy, &p_copy, packet);
}

Test(ts_rewrite, the_fast_path_is_used_inside_a_unit_only)
{
	begin();
	pictures(900000, 20);
	for (unsigned i = 0; i < TS_SCAN_PACKETS; i++)
		build_packet(&b, PID_VIDEO, false);
	feed();
	cr_assert(is_middle(PID_VIDEO, 4, 0));
	cr_assert(is_middle(PID_AUDIO, 4, 0));
	cr_assert_not(is_middle(PID_PMT, 4, 0), "a table");
	cr_assert_not(is_middle(0x300, 4, 0), "no stream of the programme");
	cr_assert_not(is_middle(PID_VIDEO, 1, 0x80), "damaged");
	cr_assert_not(is_middle(PID_VIDEO, 1, 0x40), "a beginning");
	cr_assert_not(is_middle(PID_VIDEO, 3, 0x20), "an adaptation field");
	cr_assert_not(is_middle(PID_VIDEO, 3, 0x10), "no payload");
	cr_assert_not(is_middle(PID_VIDEO, 3, 0x01), "another counter");
	build_pes(&b, PID_VIDEO, TIME_NONE, 1000000, false, (const uint8_t *)"\0\0\0\1\x09\xf0", 6);
	feed();
	cr_assert_not(is_middle(PID_VIDEO, 4, 0), "its picture may be an access point");
	for (unsigned i = 0; i < TS_SCAN_PACKETS; i++)
		build_packet(&b, PID_VIDEO, false);
	feed();
	cr_assert(is_middle(PID_VIDEO, 4, 0));
	ts_rewrite_splice(&w, p.frontier_90k, true);
	cr_assert_not(is_middle(PID_VIDEO, 4, 0), "a splice waits");
}

Test(ts_rewrite, a_new_muxer_changes_only_counters)
{
	begin();
	build_pes(&b, PID_VIDEO, 90000, 180000, true, NAL_IDR);
	feed();
	cr_assert_eq(memcmp(memory, original, b.len), 0);
	ts_rewrite_resume(&w);
	ts_rewrite_resume(&w_short);
	memset(b.cc, 0, sizeof(b.cc));
	build_pat(&b);
	build_pmt(&b, PID_VIDEO, 0x1b, 0, 1);
	build_pes(&b, PID_VIDEO, 93600, 183600, true, NAL_IDR);
	build_packet(&b, PID_VIDEO, false);
	feed();
	cr_assert_eq(p.cc_errors, 0);
	cr_assert_eq(last_pcr, 93600);
	cr_assert_eq(last_pts, 183600);
	cr_assert_eq(marks, 0);
}

Test(ts_rewrite, a_round_counts_as_repeated_up_to_a_second_from_its_target)
{
	begin();
	pictures(900000, 20);
	feed();
	ts_rewrite_repeat(&w, p.frontier_90k + TS_STEP_90K, 20 * 3600);
	pictures(900000, 20);
	feed();
	cr_assert_eq(largest_step, 3600);
	ts_rewrite_repeat(&w, p.frontier_90k + TS_STEP_90K + 1, 20 * 3600);
	pictures(900000, 20);
	feed();
	cr_assert_eq(largest_step, 3600 + TS_STEP_90K + 1);
}
