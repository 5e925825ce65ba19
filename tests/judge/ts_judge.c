/* ts_judge.c - see ts_judge.h; ISO/IEC 13818-1 sections 2.4.3 and 2.4.4 */
#include "tests/judge/ts_judge.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKET	     TS_JUDGE_PACKET
#define SYNC	     0x47
#define WRAP	     (INT64_C(1) << 33)
#define NONE	     TS_JUDGE_NONE
#define LEAP	     45000 /* ticks between two PCRs without a mark that count as a leap */
#define STREAM_MPEG1 0x01
#define STREAM_MPEG2 0x02
#define STREAM_H264  0x1b
#define STREAM_HEVC  0x24
#define TABLE_PAT    0x00
#define TABLE_PMT    0x02
#define CRC_BYTES    4u

struct ts_judge_track {
	uint16_t pid;
	bool seen;
	bool excused;	  /* a mark allows the counter of the next payload to jump */
	bool clock_moves; /* a mark allows the next PCR to jump */
	bool repeated;	  /* the last packet was a duplicate: the next one must not be one */
	uint8_t cc, last[PACKET];
	int64_t dts, pcr;
};

/* The fields of one packet. */
struct view {
	const uint8_t *p;
	unsigned pid;
	bool payload, unit;
	uint8_t flags; /* of the adaptation field */
	size_t at;     /* of the payload */
};

static void note(struct ts_judge *j, const char *what, unsigned pid, int64_t a, int64_t b)
{
	struct ts_findings *f = &j->found;

	if (f->first_error[0])
		return;
	snprintf(f->first_error, sizeof(f->first_error),
		 "%s at packet %" PRIu64 ", pid %u: %" PRId64 " then %" PRId64, what, f->packets,
		 pid, a, b);
}

void ts_judge_init(struct ts_judge *j, ts_judge_packet_cb on_packet, void *arg)
{
	*j = (struct ts_judge){.on_packet = on_packet, .arg = arg};
	ts_judge_restart(j);
}

void ts_judge_done(struct ts_judge *j)
{
	free(j->tracks);
	*j = (struct ts_judge){0};
}

void ts_judge_restart(struct ts_judge *j)
{
	j->found.first_dts = j->found.dts = NONE;
	j->video_pid = j->pmt_pid = j->pcr_pid = j->pmt_version = j->lone_pid = -1;
	j->track_count = j->carried = 0;
	j->pat.open = j->pmt.open = j->in_mark = j->in_cut = false;
	j->synced = j->starting = true;
	j->expect = EXPECT_PAT;
}

/* Valid until the next call, which may move the tracks. */
static struct ts_judge_track *track_of(struct ts_judge *j, unsigned pid)
{
	for (unsigned i = 0; i < j->track_count; i++)
		if (j->tracks[i].pid == pid)
			return &j->tracks[i];
	if (j->track_count == j->track_cap) {
		j->track_cap = j->track_cap ? 2 * j->track_cap : 8;
		j->tracks = realloc(j->tracks, j->track_cap * sizeof(*j->tracks));
		if (!j->tracks)
			abort(); /* a stream that is not judged must not pass */
	}
	j->tracks[j->track_count] =
		(struct ts_judge_track){.pid = (uint16_t)pid, .dts = NONE, .pcr = NONE};
	return &j->tracks[j->track_count++];
}

/* -- continuity */

/* True if b repeats packet a.  Only the PCR may differ. */
static bool same_packet(const uint8_t *a, const uint8_t *b, uint8_t flags)
{
	size_t at = flags & 0x10 ? 12 : 4;

	return !memcmp(a + 1, b + 1, 3) && (at == 4 || !memcmp(a + 4, b + 4, 2)) &&
	       !memcmp(a + at, b + at, PACKET - at);
}

/* True if the counter is the expected one, or the packet is a duplicate. */
static bool counter_right(struct ts_judge *j, struct ts_judge_track *t, const struct view *v)
{
	uint8_t cc = v->p[3] & 15, due = v->payload ? (t->cc + 1) & 15 : t->cc;
	bool twice = v->payload && t->seen && cc == t->cc && !t->repeated &&
		     same_packet(t->last, v->p, v->flags);

	t->repeated = twice;
	j->found.duplicates += twice;
	if (!t->seen || twice || cc == due)
		return true;
	if (t->excused) {
		j->found.cc_skips++;
	} else {
		j->found.cc_errors++;
		note(j, "continuity", v->pid, due, cc);
	}
	return false;
}

static void judge_counter(struct ts_judge *j, struct ts_judge_track *t, const struct view *v)
{
	if (!counter_right(j, t, v)) {
		/* the section is incomplete because of the lost packets: not a separate defect */
		if (v->pid == 0)
			j->pat.open = false;
		else if ((int)v->pid == j->pmt_pid)
			j->pmt.open = false;
	}
	if (v->payload)
		t->excused = false;
	t->seen = true;
	t->cc = v->p[3] & 15;
	memcpy(t->last, v->p, PACKET);
}

static void judge_mark(struct ts_judge *j, struct ts_judge_track *t, const struct view *v)
{
	bool mark = v->flags & 0x80, cut = mark && !v->payload;

	if (!cut && (int)v->pid == j->lone_pid)
		j->expect = EXPECT_ANYTHING;
	j->lone_pid =
		cut && v->pid && !j->in_cut && j->expect == EXPECT_ANYTHING ? (int)v->pid : -1;
	j->found.cuts += cut && !j->in_cut;
	j->in_cut = cut;
	if (!mark)
		return;
	j->found.marked++;
	/* a mark and the marked packet behind it count as one cut */
	if ((int)v->pid == j->video_pid && !j->in_mark) {
		j->found.marks++;
		j->in_mark = true;
	}
	t->excused = t->clock_moves = true;
	if (cut && j->expect == EXPECT_ANYTHING)
		j->expect = EXPECT_PAT;
}

/* -- time */

static int64_t stamp(const uint8_t *b)
{
	return (int64_t)(b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 |
	       b[4] >> 1;
}

static int64_t unwrapped(int64_t value, int64_t before)
{
	int64_t turns = before - value + WRAP / 2;

	return value + (turns >= 0 ? turns / WRAP : -((-turns + WRAP - 1) / WRAP)) * WRAP;
}

static void judge_clock(struct ts_judge *j, struct ts_judge_track *t, const uint8_t *p)
{
	int64_t pcr = (int64_t)p[6] << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7;

	if (t->pcr != NONE) {
		pcr = unwrapped(pcr, t->pcr);
		if (pcr < t->pcr) {
			j->found.pcr_backwards++;
			note(j, "clock backwards", t->pid, t->pcr, pcr);
		}
		if (t->pid == j->pcr_pid && !(p[5] & 0x80) && llabs(pcr - t->pcr) > LEAP)
			j->found.pcr_leaps++;
		if (t->pid == j->pcr_pid && !t->clock_moves)
			j->found.pcr_gap = MAX(j->found.pcr_gap, pcr - t->pcr);
	}
	t->pcr = pcr;
	t->clock_moves = false;
}

/* True if the programme's clock has passed `dts`. */
static bool has_passed(const struct ts_judge *j, int64_t dts)
{
	for (unsigned i = 0; i < j->track_count; i++)
		if (j->tracks[i].pid == j->pcr_pid && j->tracks[i].pcr != NONE)
			return unwrapped(dts, j->tracks[i].pcr) < j->tracks[i].pcr;
	return false;
}

static void judge_picture_time(struct ts_findings *f, int64_t dts)
{
	if (f->first_dts == NONE)
		f->first_dts = dts;
	else
		f->dts_gap = MAX(f->dts_gap, dts - f->dts);
	f->dts = dts;
}

static void judge_pes(struct ts_judge *j, struct ts_judge_track *t, const uint8_t *b, size_t n)
{
	int64_t dts;

	if (n < 14 || b[0] || b[1] || b[2] != 1 || !(b[7] & 0x80) || (b[7] & 0x40 && n < 19))
		return;
	dts = stamp(b[7] & 0x40 ? b + 14 : b + 9);
	if (t->dts != NONE) {
		dts = unwrapped(dts, t->dts);
		if (dts < t->dts) {
			j->found.backwards++;
			note(j, "time backwards", t->pid, t->dts, dts);
		}
	}
	t->dts = dts;
	j->found.late += has_passed(j, dts);
	if (t->pid == j->video_pid)
		judge_picture_time(&j->found, dts);
}

/* -- tables */

static uint32_t crc32_mpeg(const uint8_t *b, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= (uint32_t)b[i] << 24;
		for (int k = 0; k < 8; k++)
			crc = crc << 1 ^ (crc & 1u << 31 ? 0x04c11db7u : 0);
	}
	return crc;
}

static void wrong_table(struct ts_judge *j, const char *what, const struct ts_judge_section *s)
{
	j->found.psi_errors++;
	note(j, what, s == &j->pat ? 0 : (unsigned)j->pmt_pid, s->bytes[0], (int64_t)s->len);
}

static void read_pat(struct ts_judge *j, const uint8_t *s, size_t end)
{
	for (size_t i = 8; i + 4 <= end; i += 4) {
		int pid = (s[i + 2] & 0x1f) << 8 | s[i + 3];

		if (!s[i] && !s[i + 1])
			continue; /* the network's PID */
		if (pid != j->pmt_pid)
			j->pmt.open = false;
		j->pmt_pid = pid;
		return;
	}
}

static bool is_video(uint8_t type)
{
	return type == STREAM_H264 || type == STREAM_HEVC || type == STREAM_MPEG2 ||
	       type == STREAM_MPEG1;
}

static void set_video(struct ts_judge *j, int pid, uint8_t type)
{
	j->video_pid = pid;
	j->video_type = type;
	for (unsigned i = 0; i < j->video_count; i++)
		if (j->videos[i] == pid)
			return;
	if (pid >= 0 && j->video_count < TS_JUDGE_VIDEOS_MAX)
		j->videos[j->video_count++] = pid;
}

static void read_pmt(struct ts_judge *j, const uint8_t *s, size_t end)
{
	size_t i = 12u + ((s[10] & 15u) << 8 | s[11]);
	int version = s[5] >> 1 & 31;

	j->found.pmt_changes += j->pmt_version >= 0 && version != j->pmt_version;
	j->pmt_version = version;
	j->pcr_pid = (s[8] & 0x1f) << 8 | s[9];
	for (; i + 5 <= end; i += 5u + ((s[i + 3] & 15u) << 8 | s[i + 4])) {
		if (is_video(s[i])) {
			set_video(j, (s[i + 1] & 0x1f) << 8 | s[i + 2], s[i]);
			return;
		}
	}
	set_video(j, -1, 0);
}

/* A complete section.  Other tables may share the PMT's PID. */
static void judge_section(struct ts_judge *j, const struct ts_judge_section *s)
{
	bool pat = s == &j->pat;
	const uint8_t *b = s->bytes;

	if (b[0] != (pat ? TABLE_PAT : TABLE_PMT)) {
		if (pat)
			wrong_table(j, "table", s);
	} else if (s->len < (pat ? 8 : 12) + CRC_BYTES) {
		wrong_table(j, "length of a table", s);
	} else if (crc32_mpeg(b, s->len)) {
		wrong_table(j, "checksum of a table", s);
	} else if (b[5] & 1) { /* in force */
		if (pat)
			read_pat(j, b, s->len - CRC_BYTES);
		else
			read_pmt(j, b, s->len - CRC_BYTES);
	}
}

/* The length of a section, from its first three bytes. */
static size_t section_bytes(const struct ts_judge_section *s)
{
	return 3 + ((s->bytes[1] & 15u) << 8 | s->bytes[2]);
}

/* Takes the bytes of consecutive sections; 0xff where a section could begin is stuffing. */
static void section_put(struct ts_judge *j, struct ts_judge_section *s, const uint8_t *b, size_t n)
{
	while (n && s->open) {
		size_t total = s->len < 3 ? 3 : section_bytes(s), take;

		if (!s->len && *b == 0xff) {
			s->open = false;
			return;
		}
		if (total > TS_JUDGE_SECTION) {
			wrong_table(j, "length of a table", s);
			s->open = false;
			return;
		}
		take = MIN(n, total - s->len);
		memcpy(s->bytes + s->len, b, take);
		s->len += take;
		b += take;
		n -= take;
		if (s->len >= 3 && s->len == section_bytes(s)) {
			judge_section(j, s);
			s->len = 0;
		}
	}
}

static void judge_tables(struct ts_judge *j, struct ts_judge_section *s, const struct view *v)
{
	const uint8_t *b = v->p + v->at;
	size_t n = PACKET - v->at, before;

	if (!n)
		return;
	if (!v->unit) {
		section_put(j, s, b, n);
		return;
	}
	before = b[0];
	if (before + 1 > n) {
		s->open = false;
		wrong_table(j, "pointer to a table", s);
		return;
	}
	section_put(j, s, b + 1, before);
	s->open = true;
	s->len = 0;
	section_put(j, s, b + 1 + before, n - 1 - before);
}

/* -- starts */

static bool is_key_nal(uint8_t type, uint8_t byte)
{
	unsigned h264 = byte & 0x1f, hevc = byte >> 1 & 0x3f;

	if (type == STREAM_H264)
		return !(byte & 0x80) && (h264 == 5 || h264 == 7);
	if (type == STREAM_HEVC)
		return (hevc >= 16 && hevc <= 21) || hevc == 32 || hevc == 33;
	return byte == 0xb3;
}

static bool is_access(const struct ts_judge *j, const struct view *v)
{
	if (!v->payload || (int)v->pid != j->video_pid)
		return false;
	if (v->flags & 0x40)
		return true;
	for (size_t i = v->at; v->unit && i + 3 < PACKET; i++)
		if (!v->p[i] && !v->p[i + 1] && v->p[i + 2] == 1 &&
		    is_key_nal(j->video_type, v->p[i + 3]))
			return true;
	return false;
}

static void entered(struct ts_judge *j)
{
	j->expect = EXPECT_ANYTHING;
	j->starting = false;
}

static void wrong_entry(struct ts_judge *j, unsigned pid)
{
	if (j->starting)
		j->found.bad_starts++;
	else
		j->found.bad_cuts++;
	note(j, j->starting ? "wrong start" : "wrong entry after a mark", pid, j->expect, 0);
	entered(j);
}

/* Checks a packet with payload at a start. */
static void judge_entry(struct ts_judge *j, const struct view *v, bool table, bool access)
{
	switch (j->expect) {
	case EXPECT_ANYTHING:
		break;
	case EXPECT_PAT:
		if (v->pid)
			wrong_entry(j, v->pid);
		else
			j->expect = EXPECT_PMT;
		break;
	case EXPECT_PMT:
		if (v->pid && table)
			j->expect = EXPECT_ACCESS;
		else if (!table)
			wrong_entry(j, v->pid);
		break;
	case EXPECT_ACCESS:
		if (access || (j->video_pid < 0 && v->unit && !table)) {
			entered(j);
		} else if ((int)v->pid == j->video_pid && v->unit) {
			wrong_entry(j, v->pid);
		} else if (!table && j->video_pid >= 0) {
			j->found.early++;
			note(j, "media before the access point", v->pid, 0, 0);
		}
		break;
	}
}

static void date_picture(struct ts_judge *j, const struct view *v, bool access, uint64_t now_ns)
{
	if (j->picture_end_ns || (int)v->pid != j->video_pid)
		return;
	if (j->access_ns && v->unit) {
		j->picture_end_ns = j->picture_last_ns;
		return;
	}
	if (!j->access_ns && access) {
		j->access_ns = now_ns;
		j->access_bytes = j->found.skipped_bytes + (j->found.packets - 1) * PACKET;
	}
	j->picture_last_ns = now_ns;
}

/* -- packets */

/* False if the packet is malformed. */
static bool take_apart(const uint8_t *p, struct view *ret)
{
	bool field = p[3] & 0x20;

	*ret = (struct view){
		.p = p,
		.pid = (p[1] & 0x1fu) << 8 | p[2],
		.payload = p[3] & 0x10,
		.unit = p[1] & 0x40,
		.flags = field && p[4] ? p[5] : 0,
		.at = field ? 5u + p[4] : 4u,
	};
	return ret->at <= PACKET && !(ret->payload && ret->at == PACKET);
}

static void judge_media(struct ts_judge *j, const struct view *v, uint64_t now_ns, bool *ret_table,
			bool *ret_access)
{
	struct ts_judge_track *t = track_of(j, v->pid);

	judge_mark(j, t, v);
	judge_counter(j, t, v);
	if (v->flags & 0x10)
		judge_clock(j, t, v->p);
	*ret_table = v->pid == 0 || (int)v->pid == j->pmt_pid;
	if (!v->payload)
		return;
	if ((int)v->pid == j->video_pid)
		j->in_mark = false;
	if (*ret_table && !t->repeated)
		judge_tables(j, v->pid ? &j->pmt : &j->pat, v);
	*ret_access = is_access(j, v);
	judge_entry(j, v, *ret_table, *ret_access);
	date_picture(j, v, *ret_access, now_ns);
	if (v->unit && !*ret_table && !t->repeated)
		judge_pes(j, t, v->p + v->at, PACKET - v->at);
}

static void judge_packet(struct ts_judge *j, const uint8_t *p, uint64_t now_ns)
{
	bool table = false, access = false;
	struct ts_packet packet;
	struct view v;

	j->found.packets++;
	if (p[1] & 0x80) {
		j->found.transport_errors++;
		note(j, "transport error", 0, p[1], p[2]);
	}
	if (!take_apart(p, &v)) {
		j->found.malformed++;
		note(j, "length of an adaptation field", v.pid, p[4], 0);
		return;
	}
	if (v.pid != TS_JUDGE_NULL_PID)
		judge_media(j, &v, now_ns, &table, &access);
	packet = (struct ts_packet){.bytes = p,
				    .pid = v.pid,
				    .mark = (v.flags & 0x80) && !v.payload,
				    .table = table,
				    .access = access};
	if (j->on_packet)
		j->on_packet(j->arg, &packet);
}

/* Without sync: the number of bytes up to the next one that may begin a packet. */
static size_t resync(struct ts_judge *j, const uint8_t *p, size_t n)
{
	size_t skip = 0;

	if (j->synced) {
		j->found.sync_losses++;
		note(j, "sync", 0, *p, 0);
	}
	j->synced = false;
	while (skip < n && (p[skip] != SYNC || (n - skip > PACKET && p[skip + PACKET] != SYNC)))
		skip++;
	j->found.skipped_bytes += skip;
	return skip;
}

/* Completes the packet that the last call began.  Returns the bytes taken. */
static size_t feed_carried(struct ts_judge *j, const uint8_t *p, size_t n, uint64_t now_ns)
{
	size_t take = MIN(PACKET - j->carried, n);

	memcpy(j->carry + j->carried, p, take);
	j->carried += (unsigned)take;
	if (j->carried == PACKET) {
		j->carried = 0;
		judge_packet(j, j->carry, now_ns);
	}
	return take;
}

void ts_judge_feed(struct ts_judge *j, const uint8_t *p, size_t n, uint64_t now_ns)
{
	size_t took;

	assert(now_ns > 0);
	for (; n; p += took, n -= took) {
		if (j->carried) {
			took = feed_carried(j, p, n, now_ns);
			continue;
		}
		if (*p != SYNC || (!j->synced && n > PACKET && p[PACKET] != SYNC)) {
			took = resync(j, p, n);
			continue;
		}
		j->synced = true;
		took = MIN(n, PACKET);
		if (took < PACKET)
			feed_carried(j, p, n, now_ns);
		else
			judge_packet(j, p, now_ns);
	}
}

uint64_t ts_judge_defects(const struct ts_judge *j)
{
	const struct ts_findings *f = &j->found;

	return f->sync_losses + f->malformed + f->transport_errors + f->cc_errors + f->backwards +
	       f->pcr_backwards + f->psi_errors + f->bad_starts + f->bad_cuts + f->early;
}

int64_t ts_judge_duration(const struct ts_judge *j)
{
	return j->found.dts == NONE ? 0 : j->found.dts - j->found.first_dts;
}
