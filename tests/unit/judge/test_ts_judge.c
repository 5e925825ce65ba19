#include <string.h>
#include "tests/judge/ts_judge.h"
#include "unit.h"

#define PACKET	  TS_JUDGE_PACKET
#define PMT_PID	  0x100
#define VIDEO_PID 0x101
#define AUDIO_PID 0x102
#define MARK	  0x80
#define ACCESS	  0x40
#define CLOCK	  0x10
#define SECOND	  90000

/* A stream that is right: a second's worth of pictures, each with a clock, and of sound. */
struct stream {
	uint8_t bytes[400 * PACKET];
	size_t len;
	uint8_t counters[8192];
	uint8_t version;
};

static uint32_t crc32_of(const uint8_t *b, size_t n)
{
	uint32_t crc = UINT32_MAX;

	while (n--) {
		crc ^= (uint32_t)*b++ << 24;
		for (int k = 0; k < 8; k++)
			crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7u : 0);
	}
	return crc;
}

/* A packet of `pid`; flags != 0 make an adaptation field, which also fills up what `n` bytes of
 * payload leave. */
static uint8_t *put(struct stream *s, unsigned pid, bool unit, uint8_t flags, int64_t pcr,
		    const uint8_t *payload, size_t n)
{
	uint8_t *p = s->bytes + s->len;
	size_t field = PACKET - 4 - n;
	uint8_t cc = s->counters[pid];

	cr_assert_leq(s->len + PACKET, sizeof(s->bytes));
	cr_assert(n <= PACKET - 4 && (!flags || field >= 8));
	memset(p, 0xff, PACKET);
	p[0] = 0x47;
	p[1] = (uint8_t)((unit ? 0x40 : 0) | pid >> 8);
	p[2] = (uint8_t)pid;
	if (n)
		cc = s->counters[pid]++ & 15;
	else
		cc = (cc - 1) & 15;
	p[3] = (uint8_t)((field ? 0x20 : 0) | (n ? 0x10 : 0) | cc);
	if (field) {
		p[4] = (uint8_t)(field - 1);
		if (field > 1)
			p[5] = flags;
	}
	if (flags & CLOCK) {
		p[6] = (uint8_t)(pcr >> 25);
		p[7] = (uint8_t)(pcr >> 17);
		p[8] = (uint8_t)(pcr >> 9);
		p[9] = (uint8_t)(pcr >> 1);
		p[10] = (uint8_t)((pcr & 1) << 7 | 0x7e);
		p[11] = 0;
	}
	if (n)
		memcpy(p + PACKET - n, payload, n);
	s->len += PACKET;
	return p;
}

/* A section behind its pointer, cut into as many packets as it needs. */
static void put_section(struct stream *s, unsigned pid, uint8_t *section, size_t n)
{
	uint8_t all[TS_JUDGE_SECTION + 1] = {0};
	size_t at = 0;
	uint32_t crc;

	section[1] = (uint8_t)(0xb0 | (n + 1) >> 8);
	section[2] = (uint8_t)(n + 1);
	memcpy(all + 1, section, n);
	crc = crc32_of(section, n);
	for (int i = 0; i < 4; i++)
		all[1 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
	for (n += 5; at < n; at += MIN(n - at, PACKET - 4))
		put(s, pid, at == 0, 0, 0, all + at, MIN(n - at, PACKET - 4));
}

static void put_pat(struct stream *s)
{
	/* the network's PID stands first: it is no programme */
	uint8_t pat[] = {0,
			 0,
			 0,
			 0,
			 1,
			 0xc1,
			 0,
			 0,
			 0,
			 0,
			 0xe0,
			 0x10,
			 0,
			 1,
			 0xe0 | PMT_PID >> 8,
			 PMT_PID & 0xff};

	put_section(s, 0, pat, sizeof(pat));
}

/* With descriptors of so many bytes in front of the streams. */
static void put_pmt(struct stream *s, size_t descriptors)
{
	uint8_t pmt[600] = {2,
			    0,
			    0,
			    0,
			    1,
			    (uint8_t)(0xc1 | s->version << 1),
			    0,
			    0,
			    0xe0 | VIDEO_PID >> 8,
			    VIDEO_PID & 0xff,
			    (uint8_t)(0xf0 | descriptors >> 8),
			    (uint8_t)descriptors};
	const uint8_t streams[] = {0x0f, 0xe0 | AUDIO_PID >> 8, AUDIO_PID & 0xff, 0xf0, 0,
				   0x1b, 0xe0 | VIDEO_PID >> 8, VIDEO_PID & 0xff, 0xf0, 0};

	for (size_t i = 0; i < descriptors; i += 3)
		pmt[12 + i] = 2; /* read as sections, these would be tables without a length */
	memcpy(pmt + 12 + descriptors, streams, sizeof(streams));
	put_section(s, PMT_PID, pmt, 12 + descriptors + sizeof(streams));
}

static uint8_t *put_unit(struct stream *s, unsigned pid, uint8_t flags, int64_t dts, int64_t pcr)
{
	uint8_t pes[] = {0,
			 0,
			 1,
			 0xe0,
			 0,
			 0,
			 0x80,
			 0x80,
			 5,
			 (uint8_t)(0x21 | dts >> 29),
			 (uint8_t)(dts >> 22),
			 (uint8_t)(dts >> 14 | 1),
			 (uint8_t)(dts >> 7),
			 (uint8_t)(dts << 1 | 1),
			 0,
			 0,
			 0,
			 1,
			 9,
			 0xf0};

	pes[9] = (uint8_t)(0x21 | (dts >> 30 & 7) << 1);
	return put(s, pid, true, flags, pcr, pes, sizeof(pes));
}

static void put_picture(struct stream *s, bool key, int64_t dts)
{
	const uint8_t rest[100] = {0xaa};

	put_unit(s, VIDEO_PID, (uint8_t)(CLOCK | (key ? ACCESS : 0)), dts, dts - SECOND / 2);
	put(s, VIDEO_PID, false, 0, 0, rest, sizeof(rest));
	put_unit(s, AUDIO_PID, 0, dts + 900, 0);
}

static void put_tables(struct stream *s)
{
	put_pat(s);
	put_pmt(s, 0);
}

/* Adaptation-only packets on the PIDs that go on, as a server marks a cut. */
static void put_marks(struct stream *s)
{
	put(s, VIDEO_PID, false, MARK, 0, NULL, 0);
	put(s, AUDIO_PID, false, MARK, 0, NULL, 0);
}

static int64_t put_pictures(struct stream *s, int n, int64_t dts)
{
	for (int i = 0; i < n; i++, dts += SECOND / 25)
		put_picture(s, i == 0, dts);
	return dts;
}

static void good_stream(struct stream *s)
{
	memset(s, 0, sizeof(*s));
	put_tables(s);
	put_pictures(s, 25, 10 * SECOND);
}

static struct ts_findings judge(const struct stream *s)
{
	struct ts_findings found;
	struct ts_judge j;

	ts_judge_init(&j, NULL, NULL);
	ts_judge_feed(&j, s->bytes, s->len, 1);
	found = j.found;
	cr_expect_eq(ts_judge_defects(&j) == 0, found.first_error[0] == '\0', "%s",
		     found.first_error);
	ts_judge_done(&j);
	return found;
}

/* Exactly one defect, and it is of this kind. */
#define expect_one(s, kind)                                                                        \
	do {                                                                                       \
		struct ts_findings f_ = judge(s);                                                  \
		uint64_t all_ = f_.sync_losses + f_.malformed + f_.transport_errors +              \
				f_.cc_errors + f_.backwards + f_.pcr_backwards + f_.psi_errors +   \
				f_.bad_starts + f_.bad_cuts + f_.early;                            \
		cr_expect_eq(f_.kind, 1, #kind " is %u: %s", (unsigned)f_.kind, f_.first_error);   \
		cr_expect_eq(all_, 1, "%u defects: %s", (unsigned)all_, f_.first_error);           \
	} while (0)

Test(ts_judge, finds_nothing_in_a_good_stream)
{
	struct stream s;
	struct ts_findings f;

	good_stream(&s);
	f = judge(&s);
	cr_expect_str_eq(f.first_error, "");
	cr_expect_eq(f.packets, s.len / PACKET);
	cr_expect_eq(f.first_dts, 10 * SECOND);
	cr_expect_eq(f.dts - f.first_dts, 24 * SECOND / 25);
	cr_expect_eq(f.dts_gap, SECOND / 25);
	cr_expect_eq(f.pcr_gap, SECOND / 25);
	cr_expect_eq(f.marked + f.cc_skips + f.duplicates + f.late + f.pmt_changes, 0);
}

Test(ts_judge, does_not_depend_on_how_bytes_are_cut)
{
	struct stream s;
	struct ts_findings whole;

	good_stream(&s);
	whole = judge(&s);
	for (size_t piece = 1; piece < 400; piece += 37) {
		struct ts_judge j;

		ts_judge_init(&j, NULL, NULL);
		for (size_t at = 0; at < s.len; at += piece)
			ts_judge_feed(&j, s.bytes + at, MIN(piece, s.len - at), 1);
		cr_expect_eq(memcmp(&j.found, &whole, sizeof(whole)), 0, "pieces of %zu", piece);
		ts_judge_done(&j);
	}
}

Test(ts_judge, finds_a_lost_packet)
{
	struct stream s;

	good_stream(&s);
	s.counters[AUDIO_PID]++;
	put_unit(&s, AUDIO_PID, 0, 12 * SECOND, 0);
	expect_one(&s, cc_errors);
}

Test(ts_judge, finds_a_counter_that_moves_without_payload)
{
	struct stream s;

	good_stream(&s);
	put(&s, AUDIO_PID, false, CLOCK, 12 * SECOND, NULL, 0)[3] ^= 1;
	expect_one(&s, cc_errors);
}

Test(ts_judge, allows_a_packet_to_be_sent_twice_but_not_thrice)
{
	struct stream s;
	struct ts_findings f;

	good_stream(&s);
	memcpy(s.bytes + s.len, s.bytes + s.len - PACKET, PACKET);
	s.len += PACKET;
	f = judge(&s);
	cr_expect_eq(f.duplicates, 1);
	cr_expect_str_eq(f.first_error, "");
	memcpy(s.bytes + s.len, s.bytes + s.len - PACKET, PACKET);
	s.len += PACKET;
	expect_one(&s, cc_errors);
}

Test(ts_judge, finds_another_packet_with_the_counter_of_the_last_one)
{
	struct stream s;

	good_stream(&s);
	memcpy(s.bytes + s.len, s.bytes + s.len - PACKET, PACKET);
	s.bytes[s.len + PACKET - 1] ^= 1;
	s.len += PACKET;
	expect_one(&s, cc_errors);
}

Test(ts_judge, finds_lost_sync_and_continues_after_it)
{
	struct stream s;
	struct ts_judge j;
	size_t before;

	good_stream(&s);
	before = s.len;
	memset(s.bytes + s.len, 0, 77);
	s.bytes[s.len + 50] = 0x47; /* begins no packet: the next one is not where it would be */
	s.len += 77;
	put_pictures(&s, 5, 11 * SECOND);
	expect_one(&s, sync_losses);
	ts_judge_init(&j, NULL, NULL);
	ts_judge_feed(&j, s.bytes, s.len, 1);
	cr_expect_eq(j.found.skipped_bytes, 77);
	cr_expect_eq(j.found.packets, before / PACKET + 15);
	ts_judge_done(&j);
}

Test(ts_judge, a_loss_of_sync_in_many_pieces_is_one)
{
	struct stream s;
	struct ts_judge j;

	good_stream(&s);
	memset(s.bytes + s.len, 0, 77);
	s.len += 77;
	ts_judge_init(&j, NULL, NULL);
	for (size_t at = 0; at < s.len; at++)
		ts_judge_feed(&j, s.bytes + at, 1, 1);
	cr_expect_eq(j.found.sync_losses, 1);
	cr_expect_eq(j.found.skipped_bytes, 77);
	ts_judge_done(&j);
}

Test(ts_judge, finds_garbage_at_the_start)
{
	struct stream good, s;

	good_stream(&good);
	memset(&s, 0, sizeof(s));
	memcpy(s.bytes + 10, good.bytes, good.len);
	s.len = good.len + 10;
	expect_one(&s, sync_losses);
}

Test(ts_judge, finds_an_adaptation_field_longer_than_its_packet)
{
	struct stream s;

	good_stream(&s);
	put(&s, 0x200, false, CLOCK, 0, NULL, 0)[4] = 200;
	expect_one(&s, malformed);
}

Test(ts_judge, finds_a_transport_error)
{
	struct stream s;

	good_stream(&s);
	s.bytes[s.len - PACKET + 1] |= 0x80;
	expect_one(&s, transport_errors);
}

Test(ts_judge, finds_a_decreasing_dts)
{
	struct stream s;

	good_stream(&s);
	put_unit(&s, AUDIO_PID, 0, 10 * SECOND, 0);
	expect_one(&s, backwards);
}

Test(ts_judge, follows_time_over_its_wrap)
{
	struct stream s = {0};
	struct ts_findings f;

	put_tables(&s);
	put_pictures(&s, 25, (INT64_C(1) << 33) - SECOND / 2);
	f = judge(&s);
	cr_expect_str_eq(f.first_error, "");
	cr_expect_eq(f.dts - f.first_dts, 24 * SECOND / 25);
}

Test(ts_judge, finds_a_decreasing_clock)
{
	struct stream s;

	good_stream(&s);
	put(&s, VIDEO_PID, false, CLOCK, 9 * SECOND, NULL, 0);
	expect_one(&s, pcr_backwards);
}

Test(ts_judge, measures_gaps_of_the_clock_but_not_over_a_mark)
{
	struct stream s;

	good_stream(&s);
	put(&s, VIDEO_PID, false, CLOCK, 12 * SECOND, NULL, 0);
	cr_expect_geq(judge(&s).pcr_gap, SECOND);
	cr_expect_eq(judge(&s).pcr_leaps, 1);
	good_stream(&s);
	put_marks(&s);
	put_tables(&s);
	put_pictures(&s, 2, 20 * SECOND);
	cr_expect_eq(judge(&s).pcr_gap, SECOND / 25);
	cr_expect_geq(judge(&s).dts_gap, 8 * SECOND);
	cr_expect_eq(judge(&s).pcr_leaps, 1, "the clock itself has no mark");
	cr_expect_str_eq(judge(&s).first_error, "");
	put(&s, VIDEO_PID, false, CLOCK, 22 * SECOND, NULL, 0);
	cr_expect_geq(judge(&s).pcr_gap, SECOND, "the gap behind the entry counts again");
}

Test(ts_judge, counts_units_that_come_when_their_time_has_passed)
{
	struct stream s;

	good_stream(&s);
	put(&s, VIDEO_PID, false, CLOCK, 12 * SECOND, NULL, 0);
	put_unit(&s, AUDIO_PID, 0, 12 * SECOND - 1, 0);
	cr_expect_eq(judge(&s).late, 1);
	put_unit(&s, AUDIO_PID, 0, 12 * SECOND, 0);
	cr_expect_eq(judge(&s).late, 1);
}

Test(ts_judge, finds_starts_without_tables_or_access_point)
{
	struct stream s = {0};

	put_picture(&s, true, SECOND);
	expect_one(&s, bad_starts);
	memset(&s, 0, sizeof(s));
	put_pmt(&s, 0);
	expect_one(&s, bad_starts);
	memset(&s, 0, sizeof(s));
	put_pat(&s);
	put_picture(&s, true, SECOND);
	expect_one(&s, bad_starts);
	memset(&s, 0, sizeof(s));
	put_tables(&s);
	put_picture(&s, false, SECOND);
	expect_one(&s, bad_starts);
	memset(&s, 0, sizeof(s));
	put_tables(&s);
	put_unit(&s, AUDIO_PID, 0, SECOND, 0);
	put_picture(&s, true, SECOND);
	expect_one(&s, early);
}

Test(ts_judge, expects_an_entry_behind_a_mark)
{
	struct stream s;
	struct ts_findings f;

	good_stream(&s);
	put_marks(&s);
	s.counters[VIDEO_PID] += 3;
	s.counters[AUDIO_PID] += 5;
	s.version = 1;
	put_tables(&s);
	put_pictures(&s, 3, 12 * SECOND);
	f = judge(&s);
	cr_expect_str_eq(f.first_error, "");
	cr_expect_eq(f.marked, 2);
	cr_expect_eq(f.marks, 1);
	cr_expect_eq(f.cuts, 1);
	cr_expect_eq(f.cc_skips, 2);
	cr_expect_eq(f.pmt_changes, 1);

	good_stream(&s);
	put_marks(&s);
	put_picture(&s, true, 12 * SECOND);
	expect_one(&s, bad_cuts);
	good_stream(&s);
	put_marks(&s);
	put_tables(&s);
	put_picture(&s, false, 12 * SECOND);
	expect_one(&s, bad_cuts);
}

Test(ts_judge, a_mark_in_front_of_its_own_pid_is_no_entry)
{
	struct stream s;
	struct ts_findings f;

	good_stream(&s);
	s.counters[AUDIO_PID] += 5;
	put(&s, AUDIO_PID, false, MARK, 0, NULL, 0);
	put(&s, AUDIO_PID, false, 0, 0, s.bytes, PACKET - 4);
	put_pictures(&s, 3, 12 * SECOND);
	f = judge(&s);
	cr_expect_str_eq(f.first_error, "");
	cr_expect_eq(f.cc_skips, 1);

	/* it excuses no other PID */
	good_stream(&s);
	s.counters[VIDEO_PID] += 3;
	put(&s, AUDIO_PID, false, MARK, 0, NULL, 0);
	put(&s, AUDIO_PID, false, 0, 0, s.bytes, PACKET - 4);
	put_pictures(&s, 3, 12 * SECOND);
	expect_one(&s, cc_errors);

	/* with another packet between them, or another mark, it is one */
	good_stream(&s);
	put(&s, AUDIO_PID, false, MARK, 0, NULL, 0);
	put_picture(&s, true, 12 * SECOND);
	expect_one(&s, bad_cuts);
	good_stream(&s);
	put_marks(&s);
	put(&s, AUDIO_PID, false, 0, 0, s.bytes, PACKET - 4);
	expect_one(&s, bad_cuts);
}

Test(ts_judge, a_mark_excuses_one_jump_only)
{
	struct stream s;

	good_stream(&s);
	put_marks(&s);
	s.counters[VIDEO_PID] += 3;
	put_tables(&s);
	put_pictures(&s, 1, 12 * SECOND);
	s.counters[VIDEO_PID] += 3;
	put_picture(&s, false, 13 * SECOND);
	expect_one(&s, cc_errors);
}

Test(ts_judge, a_stream_without_picture_may_begin_with_any_unit)
{
	struct stream s = {0};
	uint8_t pmt[] = {2,
			 0,
			 0,
			 0,
			 1,
			 0xc1,
			 0,
			 0,
			 0xe0 | AUDIO_PID >> 8,
			 AUDIO_PID & 0xff,
			 0xf0,
			 0,
			 0x0f,
			 0xe0 | AUDIO_PID >> 8,
			 AUDIO_PID & 0xff,
			 0xf0,
			 0};

	put_pat(&s);
	put_section(&s, PMT_PID, pmt, sizeof(pmt));
	for (int i = 0; i < 10; i++)
		put_unit(&s, AUDIO_PID, 0, i * SECOND, 0);
	cr_expect_str_eq(judge(&s).first_error, "");
}

Test(ts_judge, reads_tables_of_many_packets)
{
	struct stream s = {0};
	struct ts_findings f;

	put_pat(&s);
	put_pmt(&s, 500);
	put_pictures(&s, 25, 10 * SECOND);
	f = judge(&s);
	cr_expect_str_eq(f.first_error, "");
	cr_expect_eq(f.first_dts, 10 * SECOND, "the picture's PID is known");
}

Test(ts_judge, finds_wrong_tables)
{
	struct stream s;
	size_t table;

	good_stream(&s);
	table = s.len;
	put_pat(&s);
	s.bytes[table + PACKET - 1] ^= 1;
	expect_one(&s, psi_errors);

	good_stream(&s);
	table = s.len;
	put_pmt(&s, 0);
	s.bytes[table + PACKET - 12] ^= 1;
	expect_one(&s, psi_errors);

	good_stream(&s);
	put(&s, 0, true, 0, 0, (const uint8_t[]){200, 0}, 2);
	expect_one(&s, psi_errors);
}

Test(ts_judge, a_lost_part_of_a_table_is_one_defect)
{
	struct stream s;

	good_stream(&s);
	put_pmt(&s, 500);
	/* the second packet of three */
	memmove(s.bytes + s.len - 2 * PACKET, s.bytes + s.len - PACKET, PACKET);
	s.len -= PACKET;
	expect_one(&s, cc_errors);

	/* the first one of three: what follows is the beginning of nothing */
	good_stream(&s);
	put_pmt(&s, 500);
	memmove(s.bytes + s.len - 3 * PACKET, s.bytes + s.len - 2 * PACKET, 2 * PACKET);
	s.len -= PACKET;
	expect_one(&s, cc_errors);
}

Test(ts_judge, finds_a_table_without_a_length)
{
	struct stream s;

	good_stream(&s);
	put(&s, PMT_PID, true, 0, 0, (const uint8_t[]){0, 2, 0, 0}, 4);
	expect_one(&s, psi_errors);
}

Test(ts_judge, a_restart_keeps_findings_and_expects_a_start)
{
	struct stream s;
	struct ts_judge j;

	good_stream(&s);
	ts_judge_init(&j, NULL, NULL);
	ts_judge_feed(&j, s.bytes, s.len - 100, 1);
	ts_judge_restart(&j);
	ts_judge_feed(&j, s.bytes, s.len, 2);
	cr_expect_str_eq(j.found.first_error, "");
	cr_expect_eq(j.found.packets, 2 * s.len / PACKET - 1);
	ts_judge_restart(&j);
	ts_judge_feed(&j, s.bytes + 4 * PACKET, PACKET, 3);
	cr_expect_eq(j.found.bad_starts, 1);
	ts_judge_done(&j);
}

Test(ts_judge, dates_the_first_picture)
{
	struct stream s;
	struct ts_judge j;
	size_t at = 0;

	good_stream(&s);
	ts_judge_init(&j, NULL, NULL);
	for (uint64_t now = 1; at < s.len; at += PACKET, now++)
		ts_judge_feed(&j, s.bytes + at, PACKET, now);
	/* PAT, PMT, then the picture in two packets */
	cr_expect_eq(j.access_ns, 3);
	cr_expect_eq(j.access_bytes, 2 * PACKET);
	cr_expect_eq(j.picture_end_ns, 4);
	ts_judge_done(&j);
}

struct tally {
	unsigned packets, marks, tables, access, fillers;
};

static void count(void *arg, const struct ts_packet *p)
{
	struct tally *t = arg;

	t->packets++;
	t->marks += p->mark;
	t->tables += p->table;
	t->access += p->access;
	t->fillers += p->pid == TS_JUDGE_NULL_PID;
}

Test(ts_judge, reports_the_kind_of_each_packet)
{
	struct stream s;
	struct ts_judge j;
	struct tally t = {0};

	good_stream(&s);
	put(&s, TS_JUDGE_NULL_PID, false, 0, 0, s.bytes, 184);
	put_marks(&s);
	put_tables(&s);
	put_pictures(&s, 2, 12 * SECOND);
	ts_judge_init(&j, count, &t);
	ts_judge_feed(&j, s.bytes, s.len, 1);
	cr_expect_eq(t.packets, s.len / PACKET);
	cr_expect_eq(t.marks, 2);
	cr_expect_eq(t.tables, 4);
	cr_expect_eq(t.access, 2);
	cr_expect_eq(t.fillers, 1);
	ts_judge_done(&j);
}
