/* parse.h - follows a transport stream without demuxing it (ISO 13818-1).
 *
 * Packets are fed one by one, in order, with their position; the parser follows PAT and PMT of the
 * first programme, counts continuity errors, unwraps time and finds random access points.  Any
 * input is safe.  Pure: no I/O, no allocation, no clock, no log. */
#ifndef AMPS_TS_PARSE_H
#define AMPS_TS_PARSE_H

#include "amps-transcoder/ts/rap.h"

#define TS_SYNC		 0x47u
#define TS_PID_NONE	 0x1fffu
#define TS_PIDS		 8192u
#define TS_SECTION_BYTES 1024u
#define TS_STREAMS_MAX	 32u /* elementary streams followed in a PMT */
#define TS_HZ		 90000
#define TS_VERSIONS	 32u /* version numbers of a table, modulo this */
#define TS_PID_SDT	 0x11u
#define TS_PID_TABLES	 0x20u	     /* PIDs below it carry only tables */
#define TS_SEEN_MAX	 TS_RAP_PIDS /* first PIDs seen, whatever they carry */

enum ts_kind { TS_KIND_OTHER, TS_KIND_VIDEO, TS_KIND_AUDIO };

/* What sound is for: audio_type of ISO 13818-1, 2.6.19. */
enum ts_purpose {
	TS_PURPOSE_MAIN,
	TS_PURPOSE_CLEAN_EFFECTS,
	TS_PURPOSE_HEARING_IMPAIRED,
	TS_PURPOSE_VISUAL_IMPAIRED, /* audio description */
	TS_PURPOSE_COUNT_
};

/* One elementary stream of the programme. */
struct ts_stream {
	uint16_t pid;
	uint8_t type; /* stream_type of the PMT; 0x06 refined by its descriptors in `codec` */
	enum ts_kind kind;
	const char *codec; /* libav's name ("h264", or "ac4"), "" if unknown; static */
	char language[4];  /* ISO 639-2, small letters; "" = not said */
	enum ts_purpose purpose;
	int64_t last_dts_90k, last_pts_90k;
	int64_t duration_90k; /* of the last access unit, from the distance of two, or as measured
			       */
	/* smallest PTS and largest PTS + duration since ts_parse_new_round(); TIME_NONE */
	int64_t begin_90k, end_90k;
};

/* Collects one section from packets and keeps those packets. */
struct ts_section {
	uint8_t bytes[TS_SECTION_BYTES];
	unsigned have, want;				 /* want 0: nothing begun */
	uint8_t packets[TS_RAP_PSI_PACKETS * TS_PACKET]; /* of the section being collected */
	unsigned packet_count;
	uint8_t done[TS_RAP_PSI_PACKETS * TS_PACKET]; /* of the last complete one */
	unsigned done_count;
	uint32_t crc; /* of the last complete one, to see a change */
};

struct ts_parse {
	struct ts_section pat, pmt;
	uint16_t program, pmt_pid, pcr_pid, video_pid, audio_pid;
	unsigned program_count; /* in the PAT */
	uint16_t stream_id;	/* of the PAT, as its version */
	uint8_t pat_version;
	struct ts_stream streams[TS_STREAMS_MAX];
	unsigned stream_count;
	uint8_t cc[TS_PIDS];	    /* last value, 0xff = not seen; read through ts_parse_cc() */
	uint8_t stream_of[TS_PIDS]; /* index + 1 into streams */
	uint16_t seen[TS_SEEN_MAX];
	unsigned seen_count;
	int64_t ref_90k;      /* what values are unwrapped against */
	int64_t pcr_90k;      /* last PCR of the programme, unwrapped; TIME_NONE */
	int64_t clock_90k;    /* pcr_90k, or the last DTS of a stream without PCRs; TIME_NONE */
	int64_t frontier_90k; /* largest pts + duration; TIME_NONE */
	uint64_t packets, cc_errors;
	uint64_t media_packets; /* of any programme: neither tables nor stuffing */
	/* A picture that may turn out to be an access point: the slot as of its first packet. */
	struct ts_rap candidate;
	unsigned scan_left; /* packets of it still looked at; 0 = none pending */
	uint32_t scan_word; /* the last bytes seen */
	uint64_t raps;	    /* access points found */
	bool any_picture;   /* the next picture counts as an access point in any case */
};

/* What a packet was; a set. */
enum {
	TS_SAW_RAP = 1u << 0, /* *ret_rap was filled in */
	TS_SAW_PMT = 1u << 1, /* a new or changed programme */
	TS_SAW_PCR = 1u << 2, /* clock_90k moved on */
	TS_SAW_PES = 1u << 3, /* a PES of the programme with a timestamp began */
};

void ts_parse_init(struct ts_parse *p);

/* Feeds the packet that lies at position `pos` (its sync byte was checked).  With TS_SAW_RAP in the
 * answer *ret_rap is the access point; its pos is this packet's or, where the bytes had to be
 * looked at, that of an earlier one not more than a few packets back.
 */
unsigned ts_parse_packet(struct ts_parse *p, const uint8_t *packet, uint64_t pos,
			 struct ts_rap *ret_rap);

/* The part for the PAT (2.4.4).  Feed a packet of PID 0. */
void ts_parse_pat(struct ts_parse *p, const uint8_t *packet);

/* Feed a packet of the programme's PMT PID.  True when it completed a new or changed PMT. */
bool ts_parse_pmt(struct ts_parse *p, const uint8_t *packet);

/* How long the last unit of streams[stream], which had a PTS, was found to be. */
void ts_parse_last_unit(struct ts_parse *p, unsigned stream, int64_t duration_90k);

/* Resets begin_90k and end_90k of every stream. */
void ts_parse_new_round(struct ts_parse *p);

/* True while an earlier packet may still turn out to be an access point; its position. */
static inline bool ts_parse_undecided(const struct ts_parse *p, uint64_t *ret_pos)
{
	*ret_pos = p->candidate.pos;
	return p->scan_left > 0;
}

/* Reading of single packets, shared with ts/rewrite.c. */
static inline unsigned ts_pid(const uint8_t *packet)
{
	return (packet[1] & 0x1fu) << 8 | packet[2];
}
static inline bool ts_pusi(const uint8_t *packet)
{
	return packet[1] & 0x40u;
}
static inline bool ts_has_payload(const uint8_t *packet)
{
	return packet[3] & 0x10u;
}
/* Length of the adaptation field's content, clamped to the packet; 0 if there is none. */
static inline unsigned ts_adaptation_len(const uint8_t *packet)
{
	if (!(packet[3] & 0x20u))
		return 0;
	return packet[4] > 183u ? 183u : packet[4];
}
/* Offset of the payload; TS_PACKET if there is none. */
static inline unsigned ts_payload_at(const uint8_t *packet)
{
	if (!ts_has_payload(packet))
		return TS_PACKET;
	return packet[3] & 0x20u ? 5u + ts_adaptation_len(packet) : 4u;
}
/* The flags byte of the adaptation field; 0 if there is none, or if its length is out of range. */
static inline unsigned ts_adaptation_flags(const uint8_t *packet)
{
	return ts_adaptation_len(packet) > 0 && packet[4] <= 183u ? packet[5] : 0;
}
#define TS_FLAG_DISCONTINUITY 0x80u
#define TS_FLAG_RANDOM_ACCESS 0x40u
#define TS_FLAG_PCR	      0x10u

/* The 33-bit base of the packet's PCR, or TIME_NONE. */
int64_t ts_pcr_base(const uint8_t *packet);

/* Where the timestamps of a PES that begins in this packet lie (offsets into the packet, 0 = not
 * there or not in this packet).  False if no PES header with timestamps begins here. */
struct ts_pes {
	unsigned pts_at, dts_at, data_at;
};
bool ts_pes_find(const uint8_t *packet, struct ts_pes *ret);
int64_t ts_time_get(const uint8_t *five);	/* 33 bits */
void ts_time_put(uint8_t *five, int64_t ticks); /* keeps the marker bits */

/* The unwrapped time nearest to `near` whose lowest 33 bits are `wrapped`; `wrapped` itself when
 * near is TIME_NONE. */
int64_t ts_unwrap(int64_t near, int64_t wrapped);

uint32_t ts_crc32(const uint8_t *bytes, size_t n);

/* "0:video:h264,1:audio:aac" in the order of the PMT. */
void ts_parse_streams_text(const struct ts_parse *p, char *dst, size_t cap);

#endif
