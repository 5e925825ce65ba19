#include "amps-transcoder/ts/parse.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/ts/scan.h"

#define TABLE_PAT    0x00
#define TABLE_PMT    0x02
#define SECTION_HEAD 3u
#define SECTION_CRC  4u

#define CC_NONE	     0xffu
#define DURATION_MAX (TS_HZ / 2)  /* of an access unit; a larger distance is a hole */
#define APART_MAX    (TS_HZ * 10) /* of a PTS from its PCR; beyond it is a bit error */

void ts_parse_init(struct ts_parse *p)
{
	*p = (struct ts_parse){
		.pmt_pid = TS_PID_NONE,
		.pcr_pid = TS_PID_NONE,
		.video_pid = TS_PID_NONE,
		.audio_pid = TS_PID_NONE,
		.ref_90k = TIME_NONE,
		.pcr_90k = TIME_NONE,
		.clock_90k = TIME_NONE,
		.frontier_90k = TIME_NONE,
	};
	memset(p->cc, CC_NONE, sizeof(p->cc));
}

uint32_t ts_crc32(const uint8_t *bytes, size_t n)
{
	uint32_t crc = ~0u;

	while (n--) {
		crc ^= (uint32_t)*bytes++ << 24;
		for (int bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc & 1u << 31 ? 0x04c11db7u : 0);
	}
	return crc;
}

static unsigned be12(const uint8_t *at)
{
	return (at[0] & 0x0fu) << 8 | at[1];
}

static unsigned be13(const uint8_t *at)
{
	return (at[0] & 0x1fu) << 8 | at[1];
}

static unsigned be16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void section_bytes(struct ts_section *s, const uint8_t *bytes, size_t n)
{
	assert(s->have <= sizeof(s->bytes));
	n = MIN(n, sizeof(s->bytes) - s->have);
	memcpy(s->bytes + s->have, bytes, n);
	s->have += (unsigned)n;
	if (s->want == TS_SECTION_BYTES && s->have >= SECTION_HEAD) {
		s->want = SECTION_HEAD + be12(s->bytes + 1);
		if (s->want > TS_SECTION_BYTES || s->want < 8 + SECTION_CRC)
			s->want = 0;
	}
}

/* Collects a section of this table; true when it is complete, intact and currently applicable. */
static bool section_feed(struct ts_section *s, const uint8_t *packet, unsigned table)
{
	unsigned at = ts_payload_at(packet);

	if (at >= TS_PACKET)
		return false;
	if (ts_pusi(packet)) {
		at += 1u + packet[at];
		s->want = 0;
		/* a section that does not begin with its packet cannot be kept as whole packets */
		if (at >= TS_PACKET || packet[at] != table)
			return false;
		s->have = 0;
		s->want = TS_SECTION_BYTES;
		s->packet_count = 0;
	}
	if (s->want == 0 || s->packet_count == TS_RAP_PSI_PACKETS)
		return false;
	assert(s->packet_count < TS_RAP_PSI_PACKETS);
	memcpy(s->packets + s->packet_count++ * TS_PACKET, packet, TS_PACKET);
	section_bytes(s, packet + at, TS_PACKET - at);
	if (s->want == 0 || s->have < MAX(s->want, SECTION_HEAD) || s->want == TS_SECTION_BYTES)
		return false;
	return ts_crc32(s->bytes, s->want) == 0 && s->bytes[5] & 1;
}

/* Keeps the packets of a complete section; true if its content is not that of the last one. */
static bool section_done(struct ts_section *s)
{
	const uint8_t *tail = s->bytes + s->want - SECTION_CRC;
	uint32_t crc = be16(tail) << 16 | be16(tail + 2);
	bool changed = !s->done_count || crc != s->crc;

	assert(s->want >= 8 + SECTION_CRC && s->want <= s->have);
	memcpy(s->done, s->packets, s->packet_count * TS_PACKET);
	s->done_count = s->packet_count;
	s->crc = crc;
	s->want = 0;
	return changed;
}

static void forget_programme(struct ts_parse *p)
{
	p->pmt.done_count = 0;
	p->pmt.want = 0;
	p->pcr_pid = p->video_pid = p->audio_pid = TS_PID_NONE;
	p->stream_count = 0;
	p->scan_left = 0;
	memset(p->stream_of, 0, sizeof(p->stream_of));
}

void ts_parse_pat(struct ts_parse *p, const uint8_t *packet)
{
	struct ts_section *s = &p->pat;
	unsigned end;

	/* the first section of the table has our programme */
	if (!section_feed(s, packet, TABLE_PAT) || s->bytes[6] != 0)
		return;
	end = s->want - SECTION_CRC;
	if (!section_done(s))
		return;
	p->stream_id = (uint16_t)be16(s->bytes + 3);
	p->pat_version = s->bytes[5] >> 1 & 0x1f;
	p->program_count = 0;
	for (unsigned at = 8; at + 4 <= end; at += 4) {
		unsigned program = be16(s->bytes + at), pid = be13(s->bytes + at + 2);

		/* programme 0 is the network information table */
		if (program == 0 || pid == 0 || pid == TS_PID_NONE)
			continue;
		if (p->program_count++ > 0)
			continue;
		if (program != p->program || pid != p->pmt_pid)
			forget_programme(p);
		p->program = (uint16_t)program;
		p->pmt_pid = (uint16_t)pid;
	}
}

struct stream_type {
	uint8_t type;
	enum ts_kind kind;
	const char *codec;
};

static const struct stream_type stream_types[] = {
	{0x01, TS_KIND_VIDEO, "mpeg1video"}, {0x02, TS_KIND_VIDEO, "mpeg2video"},
	{0x03, TS_KIND_AUDIO, "mp2"},	     {0x04, TS_KIND_AUDIO, "mp2"},
	{0x0f, TS_KIND_AUDIO, "aac"},	     {0x10, TS_KIND_VIDEO, "mpeg4"},
	{0x11, TS_KIND_AUDIO, "aac_latm"},   {0x1b, TS_KIND_VIDEO, "h264"},
	{0x20, TS_KIND_VIDEO, "h264"},	     {0x24, TS_KIND_VIDEO, "hevc"},
	{0x33, TS_KIND_VIDEO, "vvc"},	     {0x42, TS_KIND_VIDEO, "cavs"},
	{0x81, TS_KIND_AUDIO, "ac3"},	     {0x82, TS_KIND_AUDIO, "dts"},
	{0x83, TS_KIND_AUDIO, "truehd"},     {0x84, TS_KIND_AUDIO, "eac3"},
	{0x87, TS_KIND_AUDIO, "eac3"},	     {0x8a, TS_KIND_AUDIO, "dts"},
	{0xd2, TS_KIND_VIDEO, "avs2"},	     {0xd4, TS_KIND_VIDEO, "avs3"},
	{0xea, TS_KIND_VIDEO, "vc1"},
};

/* What private data (type 6) is, from its descriptors (ETSI EN 300 468, 6.1; registration ids). */
static void refine_private(struct ts_stream *s, const uint8_t *d, size_t n)
{
	static const struct {
		const char *id;
		enum ts_kind kind;
		const char *codec;
	} registered[] = {{"AC-3", TS_KIND_AUDIO, "ac3"},  {"EAC3", TS_KIND_AUDIO, "eac3"},
			  {"Opus", TS_KIND_AUDIO, "opus"}, {"HEVC", TS_KIND_VIDEO, "hevc"},
			  {"AC-4", TS_KIND_AUDIO, "ac4"},  {"DTS3", TS_KIND_AUDIO, "dts"},
			  {"DTS1", TS_KIND_AUDIO, "dts"},  {"DTS2", TS_KIND_AUDIO, "dts"},
			  {"AV01", TS_KIND_VIDEO, "av1"}};

	while (n >= 2 && n - 2 >= d[1]) {
		if (d[0] == 0x6a || d[0] == 0x7a) {
			s->kind = TS_KIND_AUDIO;
			s->codec = d[0] == 0x6a ? "ac3" : "eac3";
		} else if (d[0] == 0x7b) {
			s->kind = TS_KIND_AUDIO;
			s->codec = "dts";
		} else if (d[0] == 0x7f && d[1] >= 1 && (d[2] == 0x0e || d[2] == 0x15)) {
			s->kind = TS_KIND_AUDIO;
			s->codec = d[2] == 0x0e ? "dts" : "ac4";
		} else if (d[0] == 0x59) {
			s->codec = "dvb_subtitle";
		} else if (d[0] == 0x56) {
			s->codec = "dvb_teletext";
		}
		for (size_t i = 0; d[0] == 0x05 && d[1] >= 4 && i < array_size(registered); i++)
			if (!memcmp(d + 2, registered[i].id, 4)) {
				s->kind = registered[i].kind;
				s->codec = registered[i].codec;
			}
		n -= 2u + d[1];
		d += 2u + d[1];
	}
}

static void take_language(struct ts_stream *s, const uint8_t *code)
{
	char text[4] = "";

	for (size_t i = 0; i < 3; i++) {
		text[i] = (char)(code[i] | 0x20);
		if (text[i] < 'a' || text[i] > 'z')
			return;
	}
	memcpy(s->language, text, sizeof(text));
}

/* Language and purpose of sound: ISO_639_language_descriptor (ISO 13818-1, 2.6.18), of which the
 * first language counts, and supplementary_audio_descriptor (ETSI EN 300 468, 6.4.11). */
static void read_language(struct ts_stream *s, const uint8_t *d, size_t n)
{
	/* of editorial_classification */
	static const enum ts_purpose editorial[] = {TS_PURPOSE_MAIN, TS_PURPOSE_VISUAL_IMPAIRED,
						    TS_PURPOSE_HEARING_IMPAIRED,
						    TS_PURPOSE_VISUAL_IMPAIRED};

	for (; n >= 2 && n - 2 >= d[1]; n -= 2u + d[1], d += 2u + d[1]) {
		if (d[0] == 0x0a && d[1] >= 4) {
			take_language(s, d + 2);
			if (d[5] < TS_PURPOSE_COUNT_ && s->purpose == TS_PURPOSE_MAIN)
				s->purpose = (enum ts_purpose)d[5];
		} else if (d[0] == 0x7f && d[1] >= 2 && d[2] == 0x06) {
			unsigned class = d[3] >> 2 & 0x1fu;

			if (class > 0 && class < array_size(editorial))
				s->purpose = editorial[class];
			if (d[3] & 1 && d[1] >= 5 && !s->language[0])
				take_language(s, d + 4);
		}
	}
}

static void add_stream(struct ts_parse *p, unsigned pid, unsigned type, const uint8_t *d, size_t n)
{
	struct ts_stream *s = &p->streams[p->stream_count];

	if (p->stream_count == TS_STREAMS_MAX || pid == TS_PID_NONE || pid == 0 ||
	    pid == p->pmt_pid || p->stream_of[pid])
		return;
	*s = (struct ts_stream){.pid = (uint16_t)pid,
				.type = (uint8_t)type,
				.codec = "",
				.last_dts_90k = TIME_NONE,
				.last_pts_90k = TIME_NONE,
				.begin_90k = TIME_NONE,
				.end_90k = TIME_NONE};
	for (size_t i = 0; i < array_size(stream_types); i++)
		if (stream_types[i].type == type) {
			s->kind = stream_types[i].kind;
			s->codec = stream_types[i].codec;
		}
	if (type == 0x06)
		refine_private(s, d, n);
	if (s->kind == TS_KIND_AUDIO)
		read_language(s, d, n);
	if (s->kind == TS_KIND_VIDEO && p->video_pid == TS_PID_NONE)
		p->video_pid = s->pid;
	if (s->kind == TS_KIND_AUDIO && p->audio_pid == TS_PID_NONE)
		p->audio_pid = s->pid;
	assert(p->stream_count < TS_STREAMS_MAX);
	p->stream_of[pid] = (uint8_t)++p->stream_count;
}

bool ts_parse_pmt(struct ts_parse *p, const uint8_t *packet)
{
	struct ts_section *s = &p->pmt;
	unsigned at, end;

	if (!section_feed(s, packet, TABLE_PMT) || be16(s->bytes + 3) != p->program)
		return false;
	end = s->want - SECTION_CRC;
	if (!section_done(s) || end < 12)
		return false;
	p->video_pid = p->audio_pid = TS_PID_NONE;
	p->stream_count = 0;
	p->scan_left = 0;
	memset(p->stream_of, 0, sizeof(p->stream_of));
	if (p->pcr_pid != be13(s->bytes + 8))
		p->pcr_90k = TIME_NONE;
	p->pcr_pid = (uint16_t)be13(s->bytes + 8);
	at = 12u + be12(s->bytes + 10);
	while (at + 5 <= end) {
		unsigned info = be12(s->bytes + at + 3);

		if (at + 5 + info > end)
			break;
		add_stream(p, be13(s->bytes + at + 1), s->bytes[at], s->bytes + at + 5, info);
		at += 5 + info;
	}
	return true;
}

int64_t ts_unwrap(int64_t near, int64_t wrapped)
{
	int64_t step;

	if (near == TIME_NONE)
		return wrapped;
	step = (wrapped - near) & ((1ll << 33) - 1);
	return near + (step >= 1ll << 32 ? step - (1ll << 33) : step);
}

int64_t ts_time_get(const uint8_t *five)
{
	return (int64_t)(five[0] >> 1 & 7) << 30 | (int64_t)five[1] << 22 |
	       (int64_t)(five[2] >> 1) << 15 | (int64_t)five[3] << 7 | five[4] >> 1;
}

void ts_time_put(uint8_t *five, int64_t ticks)
{
	five[0] = (uint8_t)((five[0] & 0xf1) | (ticks >> 29 & 0x0e));
	five[1] = (uint8_t)(ticks >> 22);
	five[2] = (uint8_t)((ticks >> 14 & 0xfe) | 1);
	five[3] = (uint8_t)(ticks >> 7);
	five[4] = (uint8_t)((ticks << 1 & 0xfe) | 1);
}

int64_t ts_pcr_base(const uint8_t *packet)
{
	const uint8_t *pcr = packet + 6;

	if (!(ts_adaptation_flags(packet) & TS_FLAG_PCR) || ts_adaptation_len(packet) < 7)
		return TIME_NONE;
	return (int64_t)pcr[0] << 25 | (int64_t)pcr[1] << 17 | (int64_t)pcr[2] << 9 |
	       (int64_t)pcr[3] << 1 | pcr[4] >> 7;
}

/* stream_ids whose PES header has no flags (ISO 13818-1, table 2-21). */
static bool pes_is_plain(unsigned stream_id)
{
	return stream_id == 0xbc || stream_id == 0xbe || stream_id == 0xbf || stream_id == 0xf0 ||
	       stream_id == 0xf1 || stream_id == 0xf2 || stream_id == 0xf8 || stream_id == 0xff;
}

bool ts_pes_find(const uint8_t *packet, struct ts_pes *ret)
{
	unsigned at = ts_payload_at(packet);
	const uint8_t *pes = packet + at;

	if (!ts_pusi(packet) || at + 9 > TS_PACKET)
		return false;
	if (pes[0] != 0 || pes[1] != 0 || pes[2] != 1 || pes[3] < 0xbc || pes_is_plain(pes[3]))
		return false;
	if ((pes[6] & 0xc0) != 0x80)
		return false;
	*ret = (struct ts_pes){.data_at = MIN(at + 9u + pes[8], TS_PACKET)};
	if (pes[7] & 0x80 && pes[8] >= 5 && at + 14 <= TS_PACKET)
		ret->pts_at = at + 9;
	if ((pes[7] & 0xc0) == 0xc0 && pes[8] >= 10 && at + 19 <= TS_PACKET)
		ret->dts_at = at + 14;
	return true;
}

/* Duplicates are allowed once and carry the same counter; a packet without payload does not count
 * (2.4.3.3). */
static void check_cc(struct ts_parse *p, const uint8_t *packet, unsigned pid)
{
	unsigned now = packet[3] & 0x0f, last = p->cc[pid];

	if (last == CC_NONE && p->seen_count < TS_SEEN_MAX)
		p->seen[p->seen_count++] = (uint16_t)pid;
	if (!ts_has_payload(packet)) {
		/* a PID with only a PCR has no payload, so its counter does not change */
		if (last == CC_NONE || ts_adaptation_flags(packet) & TS_FLAG_DISCONTINUITY)
			p->cc[pid] = (uint8_t)now;
		return;
	}
	if (last != CC_NONE && now != ((last + 1) & 0x0f) && now != last &&
	    !(ts_adaptation_flags(packet) & TS_FLAG_DISCONTINUITY))
		p->cc_errors++;
	p->cc[pid] = (uint8_t)now;
}

static unsigned on_pcr(struct ts_parse *p, const uint8_t *packet, unsigned pid)
{
	int64_t pcr = pid == p->pcr_pid ? ts_pcr_base(packet) : TIME_NONE;

	if (pcr == TIME_NONE)
		return 0;
	p->pcr_90k = ts_unwrap(p->ref_90k, pcr);
	p->ref_90k = p->pcr_90k;
	p->clock_90k = p->pcr_90k;
	return TS_SAW_PCR;
}

/* The number of frames in a PES of sound varies: if the last one is estimated too short, the next
 * splice overlaps it. */
static int64_t duration_of(const struct ts_stream *s, int64_t step)
{
	if (s->kind != TS_KIND_AUDIO)
		return step;
	return MAX(step, s->duration_90k - s->duration_90k / 64);
}

/* A unit with this PTS lasts as long as the stream's duration says. */
static void unit_ends(struct ts_parse *p, struct ts_stream *s, int64_t pts)
{
	int64_t end = pts + s->duration_90k;

	s->end_90k = MAX(s->end_90k, end);
	if (s->kind != TS_KIND_OTHER && end > p->frontier_90k &&
	    (p->pcr_90k == TIME_NONE || llabs(pts - p->pcr_90k) <= APART_MAX))
		p->frontier_90k = end;
}

void ts_parse_last_unit(struct ts_parse *p, unsigned stream, int64_t duration_90k)
{
	struct ts_stream *s = &p->streams[stream];

	assert(stream < p->stream_count && s->last_pts_90k != TIME_NONE);
	assert(duration_90k > 0);
	s->duration_90k = duration_90k;
	unit_ends(p, s, s->last_pts_90k);
}

/* The access unit's times; *ret_pts is TIME_NONE when it has none. */
static unsigned on_pes(struct ts_parse *p, const uint8_t *packet, struct ts_stream *s,
		       const struct ts_pes *pes, int64_t *ret_pts)
{
	int64_t pts, dts, step;

	*ret_pts = TIME_NONE;
	if (!pes->pts_at)
		return 0;
	pts = ts_unwrap(p->ref_90k, ts_time_get(packet + pes->pts_at));
	dts = pes->dts_at ? ts_unwrap(pts, ts_time_get(packet + pes->dts_at)) : pts;
	step = s->last_dts_90k == TIME_NONE ? 0 : dts - s->last_dts_90k;
	if (step > 0 && step <= DURATION_MAX)
		s->duration_90k = duration_of(s, step);
	s->last_dts_90k = dts;
	s->last_pts_90k = pts;
	s->begin_90k = s->begin_90k == TIME_NONE ? pts : MIN(s->begin_90k, pts);
	unit_ends(p, s, pts);
	if (p->pcr_90k == TIME_NONE) {
		p->ref_90k = dts;
		if (s->pid == (p->video_pid != TS_PID_NONE ? p->video_pid : p->audio_pid))
			p->clock_90k = dts;
	}
	*ret_pts = pts;
	return TS_SAW_PES;
}

static void add_pid(struct ts_rap *rap, unsigned pid, unsigned cc)
{
	if (pid == TS_PID_NONE || rap->pid_count == TS_RAP_PIDS)
		return;
	for (unsigned i = 0; i < rap->pid_count; i++)
		if (rap->pids[i].pid == pid)
			return;
	rap->pids[rap->pid_count++] = (struct ts_pid_cc){.pid = (uint16_t)pid, .cc = (uint8_t)cc};
}

/* The packets of a table, with counters that lead up to the last one of their PID: damaged copies
 * or other sections may have come behind them, and the ring's next packet must follow. */
static void add_table(struct ts_rap *rap, const struct ts_parse *p, const struct ts_section *s,
		      unsigned pid)
{
	uint8_t *packet = rap->psi + rap->psi_packets * TS_PACKET;
	unsigned before = p->cc[pid] - s->done_count;

	assert(rap->psi_packets + s->done_count <= TS_RAP_PSI_PACKETS);
	memcpy(packet, s->done, s->done_count * TS_PACKET);
	for (unsigned i = 1; i <= s->done_count; i++, packet += TS_PACKET)
		packet[3] = (uint8_t)((packet[3] & 0xf0) | ((before + i) & 0x0f));
	rap->psi_packets += s->done_count;
	add_pid(rap, pid, before & 0x0f);
}

/* The slot as of the packet at `pos`, which is about to be counted.  False without PAT and PMT. */
static bool rap_begin(const struct ts_parse *p, uint64_t pos, struct ts_rap *rap)
{
	if (!p->pat.done_count || !p->pmt.done_count ||
	    p->pat.done_count + p->pmt.done_count > TS_RAP_PSI_PACKETS)
		return false;
	*rap = (struct ts_rap){
		.pos = pos, .pts_90k = TIME_NONE, .pcr_90k = p->pcr_90k, .pcr_pid = p->pcr_pid};
	add_table(rap, p, &p->pat, 0);
	add_table(rap, p, &p->pmt, p->pmt_pid);
	add_pid(rap, p->pcr_pid, p->cc[p->pcr_pid]);
	for (unsigned i = 0; i < p->stream_count; i++)
		add_pid(rap, p->streams[i].pid, p->cc[p->streams[i].pid]);
	/* the SDT is rare; a reader that moves here needs its counter, too */
	add_pid(rap, TS_PID_SDT, p->cc[TS_PID_SDT]);
	for (unsigned i = 0; i < p->seen_count; i++)
		add_pid(rap, p->seen[i], p->cc[p->seen[i]]);
	return true;
}

static unsigned rap_found(struct ts_parse *p, struct ts_rap *ret_rap)
{
	*ret_rap = p->candidate;
	p->scan_left = 0;
	p->any_picture = false;
	p->raps++;
	return TS_SAW_RAP;
}

/* Continues to scan the picture that began in an earlier packet. */
static unsigned scan_on(struct ts_parse *p, const struct ts_stream *s, const uint8_t *data,
			size_t n, struct ts_rap *ret_rap)
{
	switch (ts_scan(s->type, &p->scan_word, data, n)) {
	case TS_SCAN_ACCESS:
		return rap_found(p, ret_rap);
	case TS_SCAN_OTHER:
		p->scan_left = 0;
		return 0;
	default:
		p->scan_left--;
		return 0;
	}
}

static unsigned picture_begins(struct ts_parse *p, const struct ts_stream *s, const uint8_t *packet,
			       unsigned data_at, struct ts_rap *ret_rap)
{
	if (ts_adaptation_flags(packet) & TS_FLAG_RANDOM_ACCESS || s->kind == TS_KIND_AUDIO ||
	    p->any_picture)
		return rap_found(p, ret_rap);
	if (!ts_scan_knows(s->type) || packet[3] & 0xc0) {
		p->scan_left = 0;
		return 0;
	}
	p->scan_left = TS_SCAN_PACKETS;
	p->scan_word = ~0u;
	return scan_on(p, s, packet + data_at, TS_PACKET - data_at, ret_rap);
}

/* Handles a packet of the stream whose access points count. */
static unsigned on_leader(struct ts_parse *p, const struct ts_stream *s, const uint8_t *packet,
			  bool began, const struct ts_rap *begin, const struct ts_pes *pes,
			  struct ts_rap *ret_rap)
{
	if (began) {
		p->candidate = *begin;
		return picture_begins(p, s, packet, pes->data_at, ret_rap);
	}
	if (p->scan_left && ts_payload_at(packet) < TS_PACKET)
		return scan_on(p, s, packet + ts_payload_at(packet),
			       TS_PACKET - ts_payload_at(packet), ret_rap);
	return 0;
}

static unsigned on_stream(struct ts_parse *p, const uint8_t *packet, uint64_t pos, unsigned pid,
			  struct ts_rap *ret_rap)
{
	struct ts_stream *s = &p->streams[p->stream_of[pid] - 1];
	bool leads = pid == (p->video_pid != TS_PID_NONE ? p->video_pid : p->audio_pid);
	struct ts_rap begin;
	struct ts_pes pes = {0};
	bool began = ts_pusi(packet) && ts_pes_find(packet, &pes);
	unsigned saw = 0;
	int64_t pts;

	if (leads && ts_pusi(packet)) {
		p->scan_left = 0;
		began = began && rap_begin(p, pos, &begin);
	}
	check_cc(p, packet, pid);
	saw |= on_pcr(p, packet, pid);
	if (pes.data_at) {
		saw |= on_pes(p, packet, s, &pes, &pts);
		if (leads && began) {
			begin.pts_90k = pts;
			begin.pcr_90k = p->pcr_90k;
		}
	}
	return leads ? saw | on_leader(p, s, packet, began, &begin, &pes, ret_rap) : saw;
}

unsigned ts_parse_packet(struct ts_parse *p, const uint8_t *packet, uint64_t pos,
			 struct ts_rap *ret_rap)
{
	unsigned pid = ts_pid(packet), saw;

	p->packets++;
	if (pid == TS_PID_NONE || packet[1] & 0x80)
		return 0;
	p->media_packets += pid >= TS_PID_TABLES && pid != p->pmt_pid && ts_has_payload(packet);
	if (p->stream_of[pid])
		return on_stream(p, packet, pos, pid, ret_rap);
	check_cc(p, packet, pid);
	saw = on_pcr(p, packet, pid);
	if (pid == 0)
		ts_parse_pat(p, packet);
	else if (pid == p->pmt_pid && ts_parse_pmt(p, packet))
		saw |= TS_SAW_PMT;
	return saw;
}

void ts_parse_new_round(struct ts_parse *p)
{
	for (unsigned i = 0; i < p->stream_count; i++)
		p->streams[i].begin_90k = p->streams[i].end_90k = TIME_NONE;
}

void ts_parse_streams_text(const struct ts_parse *p, char *dst, size_t cap)
{
	static const char *const kinds[] = {"data", "video", "audio"};
	size_t used = 0;

	*dst = '\0';
	for (unsigned i = 0; i < p->stream_count && used < cap; i++)
		used += (size_t)snprintf(dst + used, cap - used, "%s%u:%s:%s", i ? "," : "", i,
					 kinds[p->streams[i].kind], p->streams[i].codec);
}
