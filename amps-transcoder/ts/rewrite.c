#include "amps-transcoder/ts/rewrite.h"

#include <assert.h>
#include <string.h>

#define TABLE_PAT  0x00u
#define TABLE_PMT  0x02u
#define TABLE_HEAD 8u
#define TABLE_CRC  4u

void ts_rewrite_init(struct ts_rewrite *w)
{
	*w = (struct ts_rewrite){.clock_90k = TIME_NONE,
				 .old_clock_90k = TIME_NONE,
				 .length_90k = TIME_NONE,
				 .after_90k = TIME_NONE,
				 .start_90k = TIME_NONE};
}

void ts_rewrite_on_jump(struct ts_rewrite *w, void (*call)(void *owner), void *owner)
{
	w->on_jump = call;
	w->owner = owner;
}

static void next_round(struct ts_rewrite *w)
{
	if (++w->round == 0) {
		memset(w->seen, 0, sizeof(w->seen));
		w->round = 1;
	}
}

static void splice(struct ts_rewrite *w, int64_t target_90k, bool marked)
{
	assert(target_90k != TIME_NONE);
	w->active = true;
	w->pending = true;
	w->mark = w->mark || marked;
	w->target_90k = target_90k;
	w->old_offset_90k = w->offset_90k;
	w->old_clock_90k = w->clock_90k;
	w->clock_90k = TIME_NONE;
	w->splices++;
	next_round(w);
}

void ts_rewrite_resume(struct ts_rewrite *w)
{
	w->active = true;
	next_round(w);
}

void ts_rewrite_splice(struct ts_rewrite *w, int64_t target_90k, bool marked)
{
	splice(w, target_90k, marked);
	w->found = false;
	w->length_90k = TIME_NONE;
}

void ts_rewrite_clock_after(struct ts_rewrite *w, int64_t pcr_90k)
{
	assert(w->pending);
	w->after_90k = pcr_90k;
}

void ts_rewrite_repeat(struct ts_rewrite *w, int64_t target_90k, int64_t length_90k)
{
	ts_rewrite_splice(w, target_90k, false);
	w->length_90k = length_90k;
}

static int64_t pcr_of(const struct ts_parse *p, const uint8_t *packet)
{
	return ts_pid(packet) == p->pcr_pid ? ts_pcr_base(packet) : TIME_NONE;
}

static bool near(int64_t a, int64_t b)
{
	return llabs(ts_unwrap(a, b) - a) <= TS_JUMP_90K;
}

/* The first PCR and the smallest PTS of the packets at hand.  Before the tables any PCR counts: a
 * stream rarely begins with them. */
static void look_ahead(const struct ts_parse *p, const uint8_t *packets, size_t n, int64_t *ret_pcr,
		       int64_t *ret_pts)
{
	int64_t pcr = TIME_NONE, pts = TIME_NONE;
	struct ts_pes pes;

	for (size_t i = 0; i < n; i++, packets += TS_PACKET) {
		if (pcr == TIME_NONE)
			pcr = p->pcr_pid == TS_PID_NONE ? ts_pcr_base(packets) : pcr_of(p, packets);
		if (!ts_pes_find(packets, &pes) || !pes.pts_at)
			continue;
		int64_t found = ts_time_get(packets + pes.pts_at);

		if (pts == TIME_NONE || ts_unwrap(pts, found) < pts)
			pts = pts == TIME_NONE ? found : ts_unwrap(pts, found);
	}
	*ret_pcr = pcr;
	*ret_pts = pts;
}

/* Pictures come in decoding order: the first PES of a stream must not be placed before its previous
 * PES, nor sound of another timeline before that PES ends. */
static int64_t keep_ahead(const struct ts_rewrite *w, const struct ts_parse *p,
			  const uint8_t *packets, size_t n)
{
	int64_t offset_90k = w->offset_90k;
	struct ts_pes pes;

	for (size_t i = 0; i < n; i++, packets += TS_PACKET) {
		unsigned stream = p->stream_of[ts_pid(packets)];
		const struct ts_stream *s = stream ? &p->streams[stream - 1] : NULL;
		int64_t dts, end;

		if (!s || s->last_dts_90k == TIME_NONE || !ts_pes_find(packets, &pes) ||
		    !pes.pts_at)
			continue;
		dts = ts_time_get(packets + (pes.dts_at ? pes.dts_at : pes.pts_at)) + offset_90k;
		dts = ts_unwrap(s->last_dts_90k, dts);
		end = s->last_dts_90k + MAX(s->duration_90k, 1);
		if (dts < (w->found && s->kind == TS_KIND_AUDIO ? end : s->last_dts_90k) &&
		    dts > s->last_dts_90k - TS_HZ)
			offset_90k += end - dts;
	}
	return offset_90k;
}

/* Takes this offset, unless it is far from that which leads to the target. */
static void prefer_offset(struct ts_rewrite *w, int64_t offset)
{
	int64_t off = ts_unwrap(0, (offset - w->offset_90k) & ((1ll << 33) - 1));

	if (llabs(off) <= TS_STEP_90K)
		w->offset_90k += off;
}

/* The clock must not go back behind a splice: the last PCR before it, or TIME_NONE. */
static int64_t last_pcr(const struct ts_rewrite *w, const struct ts_parse *p)
{
	return p->pcr_90k != TIME_NONE ? p->pcr_90k : w->after_90k;
}

/* Moves the times on so that this PCR of the source is later than the last one that was written. */
static void keep_clock(struct ts_rewrite *w, const struct ts_parse *p, int64_t pcr)
{
	int64_t after = last_pcr(w, p);

	if (after != TIME_NONE && pcr + w->offset_90k <= after)
		w->offset_90k = after + 1 - pcr;
	w->after_90k = TIME_NONE;
}

/* A source that repeats a film and its times, too: no stream begins again before it has ended.  The
 * packets at hand show that the film begins again, but not the first PES of each stream. */
static void repeat_film(struct ts_rewrite *w, const struct ts_parse *p)
{
	int64_t offset = TIME_NONE;

	for (unsigned i = 0; i < p->stream_count; i++) {
		const struct ts_stream *s = &p->streams[i];

		if (s->kind != TS_KIND_OTHER && s->end_90k != TIME_NONE &&
		    w->begins_90k[i] != TIME_NONE)
			offset = MAX(offset, s->end_90k - w->begins_90k[i]);
	}
	if (offset != TIME_NONE)
		prefer_offset(w, offset);
}

static void begin_film(struct ts_rewrite *w, int64_t start)
{
	w->start_90k = start;
	for (unsigned i = 0; i < TS_STREAMS_MAX; i++)
		w->begins_90k[i] = TIME_NONE;
}

static void note_begin(struct ts_rewrite *w, const struct ts_parse *p, unsigned pid, int64_t pts)
{
	unsigned stream = p->stream_of[pid];
	int64_t *begin;

	if (!stream || w->start_90k == TIME_NONE || w->clock_90k > w->begun_90k + TS_HZ)
		return;
	assert(stream <= TS_STREAMS_MAX);
	begin = &w->begins_90k[stream - 1];
	pts = ts_unwrap(w->start_90k, pts);
	*begin = *begin == TIME_NONE ? pts : MIN(*begin, pts);
}

/* Finds the pending splice's offset, if the packets at hand have a timestamp. */
static void decide_offset(struct ts_rewrite *w, const struct ts_parse *p, const uint8_t *packets,
			  size_t n)
{
	int64_t pcr, pts, start;

	assert(w->active && w->pending);
	look_ahead(p, packets, n, &pcr, &pts);
	if (pcr == TIME_NONE && pts == TIME_NONE)
		return;
	if (pts != TIME_NONE && pcr != TIME_NONE && !near(pcr, pts))
		pts = TIME_NONE;
	if (pts != TIME_NONE && pcr != TIME_NONE)
		pts = ts_unwrap(pcr, pts);
	w->offset_90k = w->target_90k - (pts != TIME_NONE ? pts : pcr);
	start = pcr != TIME_NONE ? pcr : pts;
	/* the same bytes need the previous offset plus one round; else it is another source */
	if (w->length_90k != TIME_NONE)
		prefer_offset(w, w->round_offset_90k + w->length_90k);
	else if (w->found && start == w->start_90k)
		repeat_film(w, p);
	if (start != w->start_90k)
		begin_film(w, start);
	if (pcr != TIME_NONE)
		keep_clock(w, p, pcr);
	w->offset_90k = keep_ahead(w, p, packets, n);
	if (!w->found)
		w->round_offset_90k = w->offset_90k;
	w->length_90k = TIME_NONE;
	w->clock_90k = pcr != TIME_NONE ? pcr : pts;
	w->begun_90k = w->clock_90k;
	w->has_pcr = pcr != TIME_NONE;
	w->pending = false;
	w->broken = false;
}

static int64_t frontier_of(const struct ts_parse *p)
{
	return p->frontier_90k != TIME_NONE ? p->frontier_90k : p->clock_90k;
}

/* True if this value continues the source's clock. */
static bool goes_on(const struct ts_rewrite *w, int64_t value, bool flagged)
{
	int64_t step = ts_unwrap(w->clock_90k, value) - w->clock_90k;

	if (flagged)
		return step >= 0 && step <= TS_STEP_90K;
	return step >= -TS_BACK_90K && step <= TS_JUMP_90K;
}

/* True if this PES would be placed far before the last one of its stream. */
static bool falls_behind(const struct ts_rewrite *w, const struct ts_parse *p,
			 const uint8_t *packet, const struct ts_pes *pes)
{
	unsigned stream = p->stream_of[ts_pid(packet)];
	int64_t last = stream ? p->streams[stream - 1].last_dts_90k : TIME_NONE;
	int64_t dts = ts_time_get(packet + (pes->dts_at ? pes->dts_at : pes->pts_at));

	return last != TIME_NONE && ts_unwrap(last, dts + w->offset_90k) < last - TS_BACK_90K;
}

enum verdict { GOES_ON, IS_SPLICE, NEEDS_PCR };

/* A PES far from the clock is a bit error, or the first of another timeline whose PCR follows: in
 * that case a counter has just broken, or the next PCR is near the PES. */
static enum verdict judge_pes(const struct ts_rewrite *w, const struct ts_parse *p,
			      const uint8_t *packets, size_t n, const struct ts_pes *pes)
{
	int64_t pts = ts_time_get(packets + pes->pts_at);

	if (w->old_clock_90k != TIME_NONE && near(w->old_clock_90k, pts))
		return GOES_ON;
	if (near(w->clock_90k, pts))
		return w->broken && falls_behind(w, p, packets, pes) ? IS_SPLICE : GOES_ON;
	if (w->broken)
		return IS_SPLICE;
	for (size_t i = 1; i < n; i++) {
		int64_t pcr = pcr_of(p, packets + i * TS_PACKET);

		if (pcr != TIME_NONE)
			return near(pcr, pts) && !goes_on(w, pcr, false) ? IS_SPLICE : GOES_ON;
	}
	return NEEDS_PCR;
}

static bool is_table(const struct ts_parse *p, unsigned pid)
{
	return pid == 0 || pid == p->pmt_pid || (pid >= 0x10 && pid <= 0x1f);
}

/* Packets are missing, or another stream begins here without a mark and its clock may come later.
 */
static bool breaks(const struct ts_rewrite *w, const struct ts_parse *p, const uint8_t *packet,
		   unsigned pid)
{
	unsigned last = p->cc[pid], now = (packet[3] + w->cc_shift[pid]) & 0x0f;

	if (last > 15 || w->seen[pid] != w->round || !ts_has_payload(packet))
		return false;
	return now != ((last + 1) & 0x0f) && now != last &&
	       !(ts_adaptation_flags(packet) & TS_FLAG_DISCONTINUITY);
}

/* Each table is complete in itself, so a break in its counter is hidden. */
static void note_break(struct ts_rewrite *w, const struct ts_parse *p, unsigned pid)
{
	w->broken = true;
	if (!is_table(p, pid))
		return;
	w->active = true;
	w->seen[pid] = (uint8_t)~w->round;
}

/* Is this packet the first of another timeline? */
static enum verdict judge(const struct ts_rewrite *w, const struct ts_parse *p,
			  const uint8_t *packets, size_t n)
{
	unsigned leader = p->video_pid != TS_PID_NONE ? p->video_pid : p->audio_pid;
	bool flagged = ts_adaptation_flags(packets) & TS_FLAG_DISCONTINUITY;
	int64_t pcr = pcr_of(p, packets), dts;
	struct ts_pes pes;

	/* without a timestamp that was written there is nothing to continue */
	if (w->pending || frontier_of(p) == TIME_NONE || w->clock_90k == TIME_NONE)
		return GOES_ON;
	if (pcr != TIME_NONE)
		return w->has_pcr && !goes_on(w, pcr, flagged) ? IS_SPLICE : GOES_ON;
	if (!ts_pusi(packets) || !ts_pes_find(packets, &pes) || !pes.pts_at)
		return GOES_ON;
	if (w->has_pcr)
		return judge_pes(w, p, packets, n, &pes);
	if (ts_pid(packets) != leader)
		return GOES_ON;
	dts = ts_time_get(packets + (pes.dts_at ? pes.dts_at : pes.pts_at));
	return goes_on(w, dts, flagged) ? GOES_ON : IS_SPLICE;
}

static void follow_clock(struct ts_rewrite *w, const struct ts_parse *p, const uint8_t *packet)
{
	unsigned leader = p->video_pid != TS_PID_NONE ? p->video_pid : p->audio_pid;
	int64_t pcr = pcr_of(p, packet);
	struct ts_pes pes;

	assert(!w->pending);
	if (pcr != TIME_NONE) {
		/* the first PCR after a splice whose offset came from a PES */
		if (!w->has_pcr && w->active)
			keep_clock(w, p, pcr);
		w->clock_90k = ts_unwrap(w->clock_90k, pcr);
		w->has_pcr = true;
		w->broken = false;
		/* so late it is not a late packet: the source has returned to the old timeline */
		if (w->clock_90k - w->begun_90k > TS_STEP_90K)
			w->old_clock_90k = TIME_NONE;
	} else if (!w->has_pcr && ts_pid(packet) == leader && ts_pusi(packet) &&
		   ts_pes_find(packet, &pes) && pes.pts_at) {
		w->clock_90k = ts_unwrap(
			w->clock_90k, ts_time_get(packet + (pes.dts_at ? pes.dts_at : pes.pts_at)));
	}
}

static void rewrite_cc(struct ts_rewrite *w, const struct ts_parse *p, uint8_t *packet,
		       unsigned pid)
{
	unsigned in = packet[3] & 0x0f;

	assert(w->active);
	if (w->seen[pid] != w->round) {
		/* the counter of a new PID begins at 0, as marks announce (rap.h, sink.c) */
		unsigned last = p->cc[pid] > 15 ? 15 : p->cc[pid];
		unsigned want = ts_has_payload(packet) ? last + 1 : last;

		w->cc_shift[pid] = (uint8_t)((want - in) & 0x0f);
		w->seen[pid] = w->round;
	}
	packet[3] = (uint8_t)((packet[3] & 0xf0) | ((in + w->cc_shift[pid]) & 0x0f));
}

static void shift_time(uint8_t *five, int64_t offset)
{
	ts_time_put(five, (ts_time_get(five) + offset) & ((1ll << 33) - 1));
}

static void shift_pcr(uint8_t *packet, int64_t offset)
{
	int64_t base = (ts_pcr_base(packet) + offset) & ((1ll << 33) - 1);
	uint8_t *pcr = packet + 6;

	pcr[0] = (uint8_t)(base >> 25);
	pcr[1] = (uint8_t)(base >> 17);
	pcr[2] = (uint8_t)(base >> 9);
	pcr[3] = (uint8_t)(base >> 1);
	pcr[4] = (uint8_t)((pcr[4] & 0x7f) | (base & 1) << 7);
}

static void rewrite_times(struct ts_rewrite *w, const struct ts_parse *p, uint8_t *packet)
{
	int64_t pcr = ts_pcr_base(packet), offset = w->offset_90k;
	struct ts_pes pes;

	assert(w->active && !w->pending);
	if (pcr != TIME_NONE) {
		shift_pcr(packet, offset);
		if (w->mark)
			packet[5] |= TS_FLAG_DISCONTINUITY;
		w->mark = false;
	}
	if (!ts_pusi(packet) || !ts_pes_find(packet, &pes) || !pes.pts_at)
		return;
	if (w->clock_90k != TIME_NONE && w->old_clock_90k != TIME_NONE &&
	    !near(w->clock_90k, ts_time_get(packet + pes.pts_at)) &&
	    near(w->old_clock_90k, ts_time_get(packet + pes.pts_at)))
		offset = w->old_offset_90k;
	else
		note_begin(w, p, ts_pid(packet), ts_time_get(packet + pes.pts_at));
	shift_time(packet + pes.pts_at, offset);
	if (pes.dts_at)
		shift_time(packet + pes.dts_at, offset);
}

/* How a CRC changes with one byte that has n - 1 more behind it; the CRC is linear. */
static uint32_t crc_difference(uint8_t change, size_t n)
{
	const uint8_t same[TS_SECTION_BYTES] = {0}, changed[TS_SECTION_BYTES] = {change};

	assert(n > 0 && n <= TS_SECTION_BYTES);
	return ts_crc32(same, n) ^ ts_crc32(changed, n);
}

static void table_begins(struct ts_rewrite_table *t, uint8_t *section, unsigned add)
{
	unsigned len = 3u + ((section[1] & 0x0fu) << 8 | section[2]);
	uint8_t before = section[5];

	if (len < TABLE_HEAD + TABLE_CRC || len > TS_SECTION_BYTES)
		return;
	section[5] = (uint8_t)((before & 0xc1u) | (((before >> 1) + add) & 0x1fu) << 1);
	t->left = len;
	t->crc_xor = crc_difference(before ^ section[5], len - TABLE_CRC - 5);
}

/* Changes the version of the table that begins in this packet, or the CRC of one that goes on. */
static void rewrite_version(struct ts_rewrite_table *t, uint8_t *packet, unsigned table,
			    unsigned add)
{
	unsigned at = ts_payload_at(packet);

	if (at < TS_PACKET && ts_pusi(packet)) {
		at += 1u + packet[at];
		t->left = 0;
		if (at + TABLE_HEAD <= TS_PACKET && packet[at] == table)
			table_begins(t, packet + at, add);
	}
	for (; at < TS_PACKET && t->left; at++, t->left--)
		if (t->left <= TABLE_CRC)
			packet[at] ^= (uint8_t)(t->crc_xor >> 8 * (t->left - 1));
}

static void rewrite_table(struct ts_rewrite *w, const struct ts_parse *p, uint8_t *packet,
			  unsigned pid)
{
	if (pid == 0)
		rewrite_version(&w->pat, packet, TABLE_PAT, w->version_add);
	else if (pid == p->pmt_pid)
		rewrite_version(&w->pmt, packet, TABLE_PMT, w->version_add);
}

bool ts_rewrite_waits(const struct ts_rewrite *w, const struct ts_parse *p, const uint8_t *packets,
		      size_t n)
{
	unsigned pid = ts_pid(packets);

	if (pid == TS_PID_NONE || packets[1] & 0x80)
		return false;
	return judge(w, p, packets, n) == NEEDS_PCR && !breaks(w, p, packets, pid);
}

void ts_rewrite_packet(struct ts_rewrite *w, const struct ts_parse *p, uint8_t *packets, size_t n)
{
	unsigned pid = ts_pid(packets);

	if (pid == TS_PID_NONE || packets[1] & 0x80)
		return;
	if (breaks(w, p, packets, pid))
		note_break(w, p, pid);
	if (judge(w, p, packets, n) == IS_SPLICE) {
		if (w->on_jump)
			w->on_jump(w->owner);
		splice(w, frontier_of(p), true);
		w->found = true;
		w->jumps++;
	}
	if (w->pending)
		decide_offset(w, p, packets, n);
	if (!w->pending)
		follow_clock(w, p, packets);
	if (!w->active)
		return;
	rewrite_cc(w, p, packets, pid);
	if (w->version_add)
		rewrite_table(w, p, packets, pid);
	if (!w->pending)
		rewrite_times(w, p, packets);
}
