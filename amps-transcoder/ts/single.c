#include "amps-transcoder/ts/single.h"

#include <assert.h>
#include <string.h>

#define SECTION_AT    5u /* behind header and pointer */
#define SECTION_BYTES 12u
#define CRC_BYTES     4u
#define PID_SERVICES  0x10u /* from here to 0x1f: DVB tables, of all programmes */

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void write_pat(const struct ts_parse *p, uint8_t *packet)
{
	uint8_t *section = packet + SECTION_AT;
	uint32_t crc;

	memset(packet + 4, 0xff, TS_PACKET - 4);
	packet[1] = 0x40;
	packet[3] = (uint8_t)(0x10 | (packet[3] & 0x0f));
	packet[4] = 0;
	section[0] = 0;
	put16(section + 1, 0xb000 | (SECTION_BYTES + CRC_BYTES - 3));
	put16(section + 3, p->stream_id);
	section[5] = (uint8_t)(0xc1 | p->pat_version << 1);
	put16(section + 6, 0);
	put16(section + 8, p->program);
	put16(section + 10, 0xe000 | p->pmt_pid);
	crc = ts_crc32(section, SECTION_BYTES);
	put16(section + SECTION_BYTES, crc >> 16);
	put16(section + SECTION_BYTES + 2, crc & 0xffff);
}

void ts_single_packet(const struct ts_parse *p, uint8_t *packet)
{
	unsigned pid = ts_pid(packet);

	if (pid == 0) {
		if (ts_has_payload(packet))
			write_pat(p, packet);
		return;
	}
	if (pid < PID_SERVICES || pid == p->pmt_pid || pid == p->pcr_pid || p->stream_of[pid])
		return;
	put16(packet + 1, TS_PID_NONE);
	packet[3] = 0x10;
}

size_t ts_single_run(const uint8_t *packets, size_t bytes)
{
	size_t at = 0;

	assert(bytes % TS_PACKET == 0);
	while (at < bytes && ts_pid(packets + at) != TS_PID_NONE)
		at += TS_PACKET;
	return at;
}
