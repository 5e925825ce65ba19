/* ts_build.h - makes transport stream packets for tests */
#ifndef TS_BUILD_H
#define TS_BUILD_H

#include <string.h>

#include "amps-transcoder/ts/parse.h"

#define PID_PMT	  0x100
#define PID_VIDEO 0x101
#define PID_AUDIO 0x102

struct ts_build {
	uint8_t *bytes; /* grows by whole packets; the test's own buffer */
	size_t len, cap;
	uint8_t cc[TS_PIDS]; /* next value */
};

static inline uint8_t *build_packet(struct ts_build *b, unsigned pid, bool pusi)
{
	uint8_t *p = b->bytes + b->len;

	if (b->len + TS_PACKET > b->cap)
		abort();
	b->len += TS_PACKET;
	memset(p, 0xff, TS_PACKET);
	p[0] = TS_SYNC;
	p[1] = (uint8_t)((pusi ? 0x40 : 0) | pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = (uint8_t)(0x10 | (b->cc[pid]++ & 0x0f));
	return p;
}

/* A section over as many packets as it takes; `n` without the CRC. */
static inline void build_section(struct ts_build *b, unsigned pid, uint8_t *section, size_t n)
{
	uint32_t crc;
	bool first = true;

	section[1] = (uint8_t)(0xb0 | (n + 4 - 3) >> 8);
	section[2] = (uint8_t)(n + 4 - 3);
	crc = ts_crc32(section, n);
	for (int i = 0; i < 4; i++)
		section[n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
	n += 4;
	while (n) {
		uint8_t *p = build_packet(b, pid, first);
		size_t room = first ? 183 : 184, part = MIN(n, room);

		if (first)
			p[4] = 0;
		memcpy(p + TS_PACKET - room, section, part);
		section += part;
		n -= part;
		first = false;
	}
}

static inline void build_pat(struct ts_build *b)
{
	uint8_t s[1024] = {0x00, 0, 0, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | PID_PMT >> 8, PID_PMT & 0xff};

	build_section(b, 0, s, 12);
}

/* `extra` audio streams with long descriptors make the section span packets. */
static inline void build_pmt(struct ts_build *b, unsigned video_pid, unsigned video_type,
			     unsigned extra, unsigned version)
{
	uint8_t s[1100] = {0x02, 0, 0, 0, 1, (uint8_t)(0xc1 | version << 1), 0, 0};
	size_t n = 12;
	unsigned pcr = video_pid ? video_pid : PID_AUDIO;

	s[8] = (uint8_t)(0xe0 | pcr >> 8);
	s[9] = (uint8_t)pcr;
	s[10] = 0xf0;
	s[11] = 0;
	for (unsigned i = 0; i < 2 + extra; i++) {
		unsigned pid = i == 0 ? video_pid : PID_AUDIO + i - 1;
		unsigned info = i < 2 ? 0 : 60;

		if (!pid)
			continue;
		s[n++] = (uint8_t)(i == 0 ? video_type : 0x0f);
		s[n++] = (uint8_t)(0xe0 | pid >> 8);
		s[n++] = (uint8_t)pid;
		s[n++] = 0xf0;
		s[n++] = (uint8_t)info;
		if (info) {
			s[n] = 0x80;
			s[n + 1] = (uint8_t)(info - 2);
			n += info;
		}
	}
	build_section(b, PID_PMT, s, n);
}

static inline void build_time(uint8_t *at, unsigned prefix, int64_t t)
{
	at[0] = (uint8_t)(prefix << 4 | 1);
	ts_time_put(at, t & ((1ll << 33) - 1));
}

/* A packet that begins a PES; pcr TIME_NONE = none. */
static inline uint8_t *build_pes(struct ts_build *b, unsigned pid, int64_t pcr, int64_t pts,
				 bool rai, const uint8_t *data, size_t n)
{
	uint8_t *p = build_packet(b, pid, true);
	uint8_t *pes = p + 4;

	if (pcr != TIME_NONE || rai) {
		unsigned len = pcr != TIME_NONE ? 7 : 1;
		int64_t base = pcr & ((1ll << 33) - 1);

		p[3] |= 0x20;
		p[4] = (uint8_t)len;
		p[5] = (uint8_t)((rai ? TS_FLAG_RANDOM_ACCESS : 0) | (len == 7 ? TS_FLAG_PCR : 0));
		if (len == 7) {
			p[6] = (uint8_t)(base >> 25);
			p[7] = (uint8_t)(base >> 17);
			p[8] = (uint8_t)(base >> 9);
			p[9] = (uint8_t)(base >> 1);
			p[10] = (uint8_t)((base & 1) << 7 | 0x7e);
			p[11] = 0;
		}
		pes = p + 5 + len;
	}
	memcpy(pes, "\0\0\1", 3);
	pes[3] = pid == PID_AUDIO ? 0xc0 : 0xe0;
	pes[4] = pes[5] = 0;
	pes[6] = 0x80;
	pes[7] = 0x80;
	pes[8] = 5;
	build_time(pes + 9, 2, pts);
	memcpy(pes + 14, data, n);
	return p;
}

#define NAL_IDR	  ((const uint8_t *)"\0\0\0\1\x09\xf0\0\0\0\1\x67\x42"), 12
#define NAL_SLICE ((const uint8_t *)"\0\0\0\1\x09\xf0\0\0\0\1\x41\x9a"), 12

#endif
