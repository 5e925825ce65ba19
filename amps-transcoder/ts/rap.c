#include "amps-transcoder/ts/rap.h"

#include <assert.h>
#include <string.h>

#define NO_PID 0x1fffu

static_assert((TS_RAP_PSI_PACKETS + TS_RAP_PIDS) * TS_PACKET <= RING_INTRO_MAX,
	      "mark and tables fit into a slot");

/* Writes the 33-bit base of a PCR into the adaptation field of `p`; its extension is 0. */
static void put_pcr(uint8_t *p, int64_t pcr_90k)
{
	uint64_t base = (uint64_t)pcr_90k;

	p[5] |= 0x10;
	p[6] = (uint8_t)(base >> 25);
	p[7] = (uint8_t)(base >> 17);
	p[8] = (uint8_t)(base >> 9);
	p[9] = (uint8_t)(base >> 1);
	p[10] = (uint8_t)((base & 1) << 7 | 0x7e);
	p[11] = 0;
}

void ts_rap_mark(uint8_t *p, unsigned pid, unsigned cc)
{
	assert(pid < NO_PID);
	memset(p, 0xff, TS_PACKET);
	p[0] = 0x47;
	p[1] = (uint8_t)(pid >> 8 & 0x1f);
	p[2] = (uint8_t)pid;
	p[3] = (uint8_t)(0x20 | (cc & 0x0f));
	p[4] = TS_PACKET - 5;
	p[5] = 0x80;
}

void ts_rap_pack(const struct ts_rap *from, struct ring_rap *ret)
{
	uint8_t *at = ret->bytes;

	assert(from->pid_count <= TS_RAP_PIDS && from->psi_packets <= TS_RAP_PSI_PACKETS);
	ret->pos = from->pos;
	ret->pts_90k = from->pts_90k;
	for (unsigned i = 0; i < from->pid_count; i++) {
		const struct ts_pid_cc *c = &from->pids[i];

		if (c->pid >= NO_PID)
			continue;
		ts_rap_mark(at, c->pid, c->cc > 15 ? 15 : c->cc);
		/* the first PCR of a new time base must be in a marked packet; it is one tick
		 * earlier than the stream's, which may be in its next packet */
		if (c->pid == from->pcr_pid && from->pcr_90k != TIME_NONE)
			put_pcr(at, from->pcr_90k - 1);
		at += TS_PACKET;
	}
	ret->mark_bytes = (uint16_t)(at - ret->bytes);
	ret->intro_bytes = (uint16_t)(from->psi_packets * TS_PACKET);
	memcpy(at, from->psi, ret->intro_bytes);
}
