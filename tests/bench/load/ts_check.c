/* ts_check.c - see ts_check.h; ISO/IEC 13818-1 sections 2.4.3 and 2.4.4 */
#include "tests/bench/load/ts_check.h"

#include <string.h>

#define PIDS	     8192u
#define NULL_PID     0x1fffu
#define NOT_SEEN     0xffu
#define STREAM_MPEG1 0x01
#define STREAM_MPEG2 0x02
#define STREAM_H264  0x1b
#define STREAM_HEVC  0x24

int ts_check_init(struct ts_check *t, bool verified)
{
	memset(t, 0, sizeof(*t));
	if (!verified)
		return 0;
	t->counters = malloc(PIDS);
	if (!t->counters)
		return -ENOMEM;
	memset(t->counters, NOT_SEEN, PIDS);
	return 0;
}

void ts_check_done(struct ts_check *t)
{
	packet_run_leave(&t->run);
	free(t->counters);
	t->counters = NULL;
}

static bool is_key_nal(uint8_t type, uint8_t byte)
{
	unsigned h264 = byte & 0x1f, hevc = byte >> 1 & 0x3f;

	if (type == STREAM_H264)
		return h264 == 5 || h264 == 7;
	if (type == STREAM_HEVC)
		return (hevc >= 16 && hevc <= 21) || hevc == 32 || hevc == 33;
	return byte == 0xb3;
}

static bool has_key_nal(const struct ts_check *t, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 3 < n; i++) {
		if (!p[i] && !p[i + 1] && p[i + 2] == 1 && is_key_nal(t->video_type, p[i + 3]))
			return true;
	}
	return false;
}

/* Offset of the payload, TS_BYTES when there is none. */
static size_t payload_at(const uint8_t *p)
{
	size_t at = 4;

	if (!ts_has_payload(p))
		return TS_BYTES;
	if (p[3] & 0x20)
		at += 1u + p[4];
	return MIN(at, TS_BYTES);
}

static void read_pat(struct ts_check *t, const uint8_t *s, size_t end)
{
	for (size_t i = 8; i + 4 <= end; i += 4) {
		if (s[i] || s[i + 1]) {
			t->pmt_pid = (uint16_t)((s[i + 2] & 0x1f) << 8 | s[i + 3]);
			return;
		}
	}
}

static bool is_video(uint8_t type)
{
	return type == STREAM_H264 || type == STREAM_HEVC || type == STREAM_MPEG2 ||
	       type == STREAM_MPEG1;
}

static void read_pmt(struct ts_check *t, const uint8_t *s, size_t end)
{
	size_t i = 12u + ((s[10] & 0x0fu) << 8 | s[11]);

	while (i + 5 <= end) {
		if (is_video(s[i])) {
			t->video_type = s[i];
			t->video_pid = (uint16_t)((s[i + 1] & 0x1f) << 8 | s[i + 2]);
			return;
		}
		i += 5u + ((s[i + 3] & 0x0fu) << 8 | s[i + 4]);
	}
}

/* Sections that begin in this packet; those we read fit into one. */
static void read_psi(struct ts_check *t, const uint8_t *p, unsigned pid)
{
	size_t at = payload_at(p), end;
	const uint8_t *s;

	if (!(p[1] & 0x40) || at >= TS_BYTES)
		return;
	at += 1u + p[at];
	if (at + 12 > TS_BYTES)
		return;
	s = p + at;
	end = MIN(3u + ((s[1] & 0x0fu) << 8 | s[2]), TS_BYTES - at);
	end = end > 4 ? end - 4 : 0;
	if (pid == 0 && s[0] == 0)
		read_pat(t, s, end);
	else if (s[0] == 2)
		read_pmt(t, s, end);
}

static bool discontinuity(const uint8_t *p)
{
	return (p[3] & 0x20) && p[4] > 0 && (p[5] & 0x80);
}

static bool random_access(const struct ts_check *t, const uint8_t *p)
{
	size_t at = payload_at(p);

	if ((p[3] & 0x20) && p[4] > 0 && (p[5] & 0x40))
		return true;
	return (p[1] & 0x40) && at < TS_BYTES && has_key_nal(t, p + at, TS_BYTES - at);
}

static void check_counter(struct ts_check *t, const uint8_t *p, unsigned pid)
{
	uint8_t cc = p[3] & 0x0f, before = t->counters[pid];

	t->counters[pid] = cc;
	if (pid == NULL_PID || before == NOT_SEEN || discontinuity(p))
		return;
	if (!ts_has_payload(p))
		t->counter_errors += cc != before;
	else if (cc == before)
		t->duplicates++;
	else
		t->counter_errors += cc != ((before + 1) & 0x0f);
}

static bool is_psi(const struct ts_check *t, unsigned pid)
{
	return pid == 0 || (t->pmt_pid && pid == t->pmt_pid);
}

/* Follows the stream through the log. */
static void check_run(struct ts_check *t, struct packet_log *l, const uint8_t *p, unsigned pid)
{
	bool mark = discontinuity(p) && !ts_has_payload(p);

	if (mark) {
		t->cuts += !t->in_mark;
		t->in_mark = true;
		packet_run_leave(&t->run);
		return;
	}
	t->in_mark = false;
	if (t->run.place != RUN_SEEKING)
		packet_run_next(&t->run, l, packet_hash(p), pid == NULL_PID);
	else if (t->video_pid && pid == t->video_pid && random_access(t, p))
		packet_run_enter(&t->run, l, packet_hash(p));
	else
		t->bad_starts += !is_psi(t, pid);
}

/* Dates the first key frame: its first packet, and its last one before the next picture. */
static void date_key_frame(struct ts_check *t, const uint8_t *p, unsigned pid, uint64_t now_ns)
{
	if (t->key_end_ns)
		return;
	if (is_psi(t, pid))
		read_psi(t, p, pid);
	if (!t->video_pid || pid != t->video_pid)
		return;
	if (t->rap_ns && (p[1] & 0x40)) {
		t->key_end_ns = t->key_last_ns;
		return;
	}
	if (!t->rap_ns && random_access(t, p)) {
		t->rap_ns = now_ns;
		t->rap_bytes = t->skipped_bytes + (t->packets - 1) * TS_BYTES;
	}
	t->key_last_ns = now_ns;
}

static void check_packet(struct ts_check *t, struct packet_log *l, const uint8_t *p,
			 uint64_t now_ns)
{
	unsigned pid = ts_pid(p);

	t->bad_starts += t->packets == 0 && pid != 0;
	t->packets++;
	t->transport_errors += p[1] >> 7;
	date_key_frame(t, p, pid, now_ns);
	if (!t->counters)
		return;
	check_counter(t, p, pid);
	check_run(t, l, p, pid);
}

/* Bytes taken while there is no sync: up to the next byte that may begin a packet. */
static size_t resync(struct ts_check *t, const uint8_t *p, size_t n)
{
	size_t skip = 0;

	t->sync_losses += t->synced;
	t->synced = false;
	while (skip < n &&
	       (p[skip] != TS_SYNC || (n - skip > TS_BYTES && p[skip + TS_BYTES] != TS_SYNC)))
		skip++;
	t->skipped_bytes += skip;
	return skip;
}

/* Completes the packet carried over from the last call.  Returns the bytes taken. */
static size_t feed_carried(struct ts_check *t, struct packet_log *l, const uint8_t *p, size_t n,
			   uint64_t now_ns)
{
	size_t take = MIN(TS_BYTES - t->carried, n);

	memcpy(t->carry + t->carried, p, take);
	t->carried += (unsigned)take;
	if (t->carried == TS_BYTES) {
		t->carried = 0;
		check_packet(t, l, t->carry, now_ns);
	}
	return take;
}

void ts_check_feed(struct ts_check *t, struct packet_log *l, const uint8_t *p, size_t n,
		   uint64_t now_ns)
{
	size_t took;

	for (; n; p += took, n -= took) {
		if (t->carried) {
			took = feed_carried(t, l, p, n, now_ns);
			continue;
		}
		if (*p != TS_SYNC || (!t->synced && n > TS_BYTES && p[TS_BYTES] != TS_SYNC)) {
			took = resync(t, p, n);
			continue;
		}
		t->synced = true;
		took = MIN(n, TS_BYTES);
		if (took < TS_BYTES)
			feed_carried(t, l, p, n, now_ns);
		else
			check_packet(t, l, p, now_ns);
	}
	if (t->counters)
		packet_run_settle(&t->run, l);
}
