/* ts_parse.c - see ts_parse.h */
#include "amps-transcoder/ts_parse.h"

#include <stdio.h>
#include <string.h>

#include "amps-transcoder/ts_psi.h"
#include "amps-transcoder/ts_scan.h"

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
		/* a PID of clocks alone has no payload ever, and its counter stands still */
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

/* A PES of sound holds now more, now fewer frames: the last one must not be taken for too short, or
 * what is spliced behind it would overlap. */
static int64_t duration_of(const struct ts_stream *s, int64_t step)
{
	if (s->kind != TS_KIND_AUDIO)
		return step;
	return MAX(step, s->duration_90k - s->duration_90k / 64);
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
	s->end_90k = MAX(s->end_90k, pts + s->duration_90k);
	if (s->kind != TS_KIND_OTHER && pts + s->duration_90k > p->frontier_90k &&
	    (p->pcr_90k == TIME_NONE || llabs(pts - p->pcr_90k) <= APART_MAX))
		p->frontier_90k = pts + s->duration_90k;
	if (p->pcr_90k == TIME_NONE) {
		p->ref_90k = dts;
		if (s->pid == (p->video_pid != TS_PID_NONE ? p->video_pid : p->audio_pid))
			p->clock_90k = dts;
	}
	*ret_pts = pts;
	return TS_SAW_PES;
}

static void add_pid(struct ring_rap *rap, unsigned pid, unsigned cc, unsigned flags)
{
	if (pid == TS_PID_NONE || rap->pid_count == RING_RAP_PIDS)
		return;
	for (unsigned i = 0; i < rap->pid_count; i++)
		if (rap->pids[i].pid == pid) {
			rap->pids[i].flags |= (uint8_t)flags;
			return;
		}
	rap->pids[rap->pid_count++] = (struct ring_pid_cc){
		.pid = (uint16_t)pid, .cc = (uint8_t)cc, .flags = (uint8_t)flags};
}

/* The packets of a table, with counters that lead up to the last one of their PID: damaged copies
 * or other sections may have come behind them, and the ring's next packet must follow. */
static void add_table(struct ring_rap *rap, const struct ts_parse *p, const struct ts_section *s,
		      unsigned pid)
{
	uint8_t *packet = rap->psi + rap->psi_packets * TS_PACKET;
	unsigned before = p->cc[pid] - s->done_count;

	memcpy(packet, s->done, s->done_count * TS_PACKET);
	for (unsigned i = 1; i <= s->done_count; i++, packet += TS_PACKET)
		packet[3] = (uint8_t)((packet[3] & 0xf0) | ((before + i) & 0x0f));
	rap->psi_packets += (uint8_t)s->done_count;
	add_pid(rap, pid, before & 0x0f, RING_PID_PSI);
}

/* The slot as of the packet at `pos`, which is about to be counted.  False without PAT and PMT. */
static bool rap_begin(const struct ts_parse *p, uint64_t pos, struct ring_rap *rap)
{
	if (!p->pat.done_count || !p->pmt.done_count ||
	    p->pat.done_count + p->pmt.done_count > RING_RAP_PSI_PACKETS)
		return false;
	*rap = (struct ring_rap){.pos = pos,
				 .pts_90k = TIME_NONE,
				 .pcr_90k = p->pcr_90k,
				 .pcr_pid = p->pcr_pid,
				 .video_pid = p->video_pid};
	add_table(rap, p, &p->pat, 0);
	add_table(rap, p, &p->pmt, p->pmt_pid);
	add_pid(rap, p->pcr_pid, p->cc[p->pcr_pid], RING_PID_PCR);
	for (unsigned i = 0; i < p->stream_count; i++)
		add_pid(rap, p->streams[i].pid, p->cc[p->streams[i].pid], 0);
	/* the service description comes seldom, and whoever moves here must not be surprised by it
	 */
	add_pid(rap, TS_PID_SDT, p->cc[TS_PID_SDT], 0);
	for (unsigned i = 0; i < p->seen_count; i++)
		add_pid(rap, p->seen[i], p->cc[p->seen[i]], 0);
	return true;
}

static unsigned rap_found(struct ts_parse *p, struct ring_rap *ret_rap)
{
	*ret_rap = p->candidate;
	p->scan_left = 0;
	p->any_picture = false;
	p->raps++;
	return TS_SAW_RAP;
}

/* Looks on at the picture that began in an earlier packet. */
static unsigned scan_on(struct ts_parse *p, const struct ts_stream *s, const uint8_t *data,
			size_t n, struct ring_rap *ret_rap)
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
			       unsigned data_at, struct ring_rap *ret_rap)
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

/* A packet of the stream by which access points are found. */
static unsigned on_leader(struct ts_parse *p, const struct ts_stream *s, const uint8_t *packet,
			  bool began, const struct ring_rap *begin, const struct ts_pes *pes,
			  struct ring_rap *ret_rap)
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
			  struct ring_rap *ret_rap)
{
	struct ts_stream *s = &p->streams[p->stream_of[pid] - 1];
	bool leads = pid == (p->video_pid != TS_PID_NONE ? p->video_pid : p->audio_pid);
	struct ring_rap begin;
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
			 struct ring_rap *ret_rap)
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
		ts_psi_pat(p, packet);
	else if (pid == p->pmt_pid && ts_psi_pmt(p, packet))
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
