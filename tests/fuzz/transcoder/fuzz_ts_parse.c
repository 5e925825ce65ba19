/* fuzz_ts_parse.c - any bytes through alignment and parser, in portions as the input says */
#include <string.h>

#include "amps-transcoder/ts/align.h"
#include "amps-transcoder/ts/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rap(const struct ts_rap *rap, uint64_t pos)
{
	static struct ring_rap slot;

	if (rap->pos > pos || rap->pos % TS_PACKET || rap->psi_packets > TS_RAP_PSI_PACKETS ||
	    rap->psi_packets < 2 || rap->pid_count > TS_RAP_PIDS || rap->psi[0] != TS_SYNC)
		abort();
	ts_rap_pack(rap, &slot);
	if (slot.intro_bytes != rap->psi_packets * TS_PACKET)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ts_parse p;
	static uint8_t buf[1 << 16];
	struct ts_align a = {0};
	struct ts_rap rap;
	size_t have = 0, portion = size ? 1u + data[0] * 7u : 1;
	uint64_t pos = 0;
	char text[100];

	ts_parse_init(&p);
	while (size) {
		size_t n = MIN(MIN(portion, size), sizeof(buf) - have), rest, whole;

		memcpy(buf + have, data, n);
		data += n;
		size -= n;
		whole = ts_align(&a, buf, have + n, &rest);
		if (whole % TS_PACKET || whole + rest > have + n)
			abort();
		for (size_t i = 0; i < whole; i += TS_PACKET, pos += TS_PACKET)
			if (ts_parse_packet(&p, buf + i, pos, &rap) & TS_SAW_RAP)
				check_rap(&rap, pos);
		memmove(buf, buf + whole, rest);
		have = rest;
	}
	ts_parse_streams_text(&p, text, sizeof(text));
	return 0;
}
