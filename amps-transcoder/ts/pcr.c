#include "amps-transcoder/ts/pcr.h"

#include <assert.h>
#include <string.h>

#define HOLE_90K (2 * TS_HZ) /* a longer gap is not filled: nothing plays there */

void ts_pcr_init(struct ts_pcr *c, void (*write)(void *owner, const void *bytes, size_t n),
		 void *owner)
{
	*c = (struct ts_pcr){.write = write,
			     .owner = owner,
			     .pid = TS_PID_NONE,
			     .last_90k = TIME_NONE,
			     .ahead_90k = TIME_NONE,
			     .dts_90k = TIME_NONE};
}

void ts_pcr_resume(struct ts_pcr *c)
{
	c->pid = TS_PID_NONE;
	c->video = false;
	c->ahead_90k = c->dts_90k = TIME_NONE;
	c->unit_90k = 0;
}

/* Writes a packet with only a PCR. */
static void emit(struct ts_pcr *c, int64_t pcr_90k)
{
	uint64_t base = (uint64_t)pcr_90k;
	uint8_t packet[TS_PACKET] = {TS_SYNC,
				     (uint8_t)(c->pid >> 8),
				     (uint8_t)c->pid,
				     (uint8_t)(0x20 | c->cc),
				     TS_PACKET - 5,
				     TS_FLAG_PCR,
				     (uint8_t)(base >> 25),
				     (uint8_t)(base >> 17),
				     (uint8_t)(base >> 9),
				     (uint8_t)(base >> 1),
				     (uint8_t)((base & 1) << 7 | 0x7e),
				     0};

	memset(packet + 12, 0xff, TS_PACKET - 12);
	c->write(c->owner, packet, TS_PACKET);
	c->last_90k = pcr_90k;
}

static int64_t step_max(const struct ts_pcr *c)
{
	return c->video && c->unit_90k <= TS_PCR_STEP_SLOW_90K ? TS_PCR_STEP_90K
							       : TS_PCR_STEP_SLOW_90K;
}

/* The number of evenly spaced PCRs that are missing before `until`. */
static int64_t missing(const struct ts_pcr *c, int64_t until)
{
	int64_t gap = c->last_90k == TIME_NONE ? 0 : until - c->last_90k;

	return gap > 0 && gap <= HOLE_90K ? (gap - 1) / step_max(c) : 0;
}

/* Adds PCRs up to `until`, including that one if `whole`. */
static void fill(struct ts_pcr *c, int64_t until, bool whole)
{
	int64_t n = missing(c, until), from = c->last_90k, gap = until - from;

	for (int64_t i = 1; i <= n; i++)
		emit(c, from + gap * i / (n + 1));
	if (n && whole)
		emit(c, until);
}

/* The clock at a packet that begins a unit; TIME_NONE if unknown. */
static int64_t clock_at(const struct ts_pcr *c, unsigned pid, int64_t pcr, int64_t dts)
{
	if (pid == c->pid)
		return pcr == TIME_NONE ? TIME_NONE : ts_unwrap(c->last_90k, pcr);
	if (dts == TIME_NONE || c->ahead_90k == TIME_NONE)
		return TIME_NONE;
	return MIN(ts_unwrap(c->dts_90k, dts) - c->ahead_90k, c->dts_90k);
}

/* Notes the beginning of a unit of the PCR's stream. */
static void note_unit(struct ts_pcr *c, const uint8_t *packet, int64_t pcr, int64_t dts)
{
	int64_t before = c->dts_90k;

	c->video = (packet[ts_payload_at(packet) + 3] & 0xf0) == 0xe0;
	c->dts_90k = ts_unwrap(before != TIME_NONE ? before : c->last_90k, dts);
	if (before != TIME_NONE)
		c->unit_90k = c->dts_90k - before;
	if (pcr != TIME_NONE)
		c->ahead_90k = ts_unwrap(0, (dts - pcr) & ((1ll << 33) - 1));
}

static int64_t dts_of(const uint8_t *packet)
{
	struct ts_pes pes;

	if (!ts_pes_find(packet, &pes) || !pes.pts_at)
		return TIME_NONE;
	return ts_time_get(packet + (pes.dts_at ? pes.dts_at : pes.pts_at));
}

/* True if the muxer's own PCR is not before one that was added, so it can stay. */
static bool takes_pcr(struct ts_pcr *c, int64_t pcr)
{
	int64_t now = ts_unwrap(c->last_90k, pcr);

	if (c->last_90k != TIME_NONE && now <= c->last_90k && now > c->last_90k - HOLE_90K)
		return false;
	c->last_90k = now;
	return true;
}

static void write_without_pcr(struct ts_pcr *c, const uint8_t *packet)
{
	uint8_t copy[TS_PACKET];

	memcpy(copy, packet, TS_PACKET);
	copy[5] = (uint8_t)(copy[5] & ~TS_FLAG_PCR);
	memset(copy + 6, 0xff, 6);
	c->write(c->owner, copy, TS_PACKET);
}

/* Handles a packet of the PCR's stream.  False if its PCR must be removed. */
static bool note_packet(struct ts_pcr *c, const uint8_t *packet, int64_t pcr, int64_t dts)
{
	if (ts_has_payload(packet))
		c->cc = packet[3] & 0x0f;
	if (dts != TIME_NONE)
		note_unit(c, packet, pcr, dts);
	return pcr == TIME_NONE || takes_pcr(c, pcr);
}

/* Writes the bytes from *done up to `at`. */
static void flush(struct ts_pcr *c, const uint8_t *bytes, size_t *done, size_t at)
{
	assert(at >= *done);
	if (at > *done)
		c->write(c->owner, bytes + *done, at - *done);
	*done = at;
}

void ts_pcr_put(struct ts_pcr *c, const uint8_t *bytes, size_t n)
{
	size_t done = 0;

	for (size_t at = 0; at + TS_PACKET <= n && bytes[at] == TS_SYNC; at += TS_PACKET) {
		const uint8_t *packet = bytes + at;
		int64_t pcr = ts_pcr_base(packet), dts = dts_of(packet), clock;
		unsigned pid = ts_pid(packet);

		clock = clock_at(c, pid, pcr, dts);
		if (pcr != TIME_NONE && c->pid == TS_PID_NONE)
			c->pid = pid;
		if (clock != TIME_NONE && missing(c, clock)) {
			flush(c, bytes, &done, at);
			fill(c, clock, pid != c->pid);
		}
		if (pid == c->pid && !note_packet(c, packet, pcr, dts)) {
			flush(c, bytes, &done, at);
			write_without_pcr(c, packet);
			done = at + TS_PACKET;
		}
	}
	flush(c, bytes, &done, n);
}
