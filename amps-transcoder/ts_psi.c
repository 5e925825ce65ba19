/* ts_psi.c - see ts_psi.h */
#include "amps-transcoder/ts_psi.h"

#include <string.h>

#define TABLE_PAT    0x00
#define TABLE_PMT    0x02
#define SECTION_HEAD 3u
#define SECTION_CRC  4u

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
	n = MIN(n, sizeof(s->bytes) - s->have);
	memcpy(s->bytes + s->have, bytes, n);
	s->have += (unsigned)n;
	if (s->want == TS_SECTION_BYTES && s->have >= SECTION_HEAD) {
		s->want = SECTION_HEAD + be12(s->bytes + 1);
		if (s->want > TS_SECTION_BYTES || s->want < 8 + SECTION_CRC)
			s->want = 0;
	}
}

/* Collects; true when a section of this table is complete, intact and in force. */
static bool section_feed(struct ts_section *s, const uint8_t *packet, unsigned table)
{
	unsigned at = ts_payload_at(packet);

	if (at >= TS_PACKET)
		return false;
	if (ts_pusi(packet)) {
		at += 1u + packet[at];
		s->want = 0;
		/* only sections that begin with their packet can be handed out byte for byte */
		if (at >= TS_PACKET || packet[at] != table)
			return false;
		s->have = 0;
		s->want = TS_SECTION_BYTES;
		s->packet_count = 0;
	}
	if (s->want == 0 || s->packet_count == RING_RAP_PSI_PACKETS)
		return false;
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

void ts_psi_pat(struct ts_parse *p, const uint8_t *packet)
{
	struct ts_section *s = &p->pat;
	unsigned end;

	/* of a table in several sections the first has our programme */
	if (!section_feed(s, packet, TABLE_PAT) || s->bytes[6] != 0)
		return;
	end = s->want - SECTION_CRC;
	if (!section_done(s))
		return;
	for (unsigned at = 8; at + 4 <= end; at += 4) {
		unsigned program = be16(s->bytes + at), pid = be13(s->bytes + at + 2);

		/* programme 0 is the network's own table */
		if (program == 0 || pid == 0 || pid == TS_PID_NONE)
			continue;
		if (program != p->program || pid != p->pmt_pid)
			forget_programme(p);
		p->program = (uint16_t)program;
		p->pmt_pid = (uint16_t)pid;
		return;
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
	if (s->kind == TS_KIND_VIDEO && p->video_pid == TS_PID_NONE)
		p->video_pid = s->pid;
	if (s->kind == TS_KIND_AUDIO && p->audio_pid == TS_PID_NONE)
		p->audio_pid = s->pid;
	p->stream_of[pid] = (uint8_t)++p->stream_count;
}

bool ts_psi_pmt(struct ts_parse *p, const uint8_t *packet)
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
