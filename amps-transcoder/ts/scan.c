#include "amps-transcoder/ts/scan.h"

#include <assert.h>

/* What the byte after a start code prefix means. */
typedef enum ts_scan_verdict judge(unsigned code);

/* H.264 (Rec.  ITU-T H.264, table 7-1): an IDR slice or a parameter set; an open GOP has only the
 * latter. */
static enum ts_scan_verdict judge_h264(unsigned code)
{
	unsigned type = code & 0x1f;

	if (type == 5 || type == 7)
		return TS_SCAN_ACCESS;
	return type >= 1 && type <= 4 ? TS_SCAN_OTHER : TS_SCAN_UNDECIDED;
}

/* HEVC (Rec. ITU-T H.265, table 7-1): an IRAP picture, VPS or SPS. */
static enum ts_scan_verdict judge_hevc(unsigned code)
{
	unsigned type = code >> 1 & 0x3f;

	if ((type >= 16 && type <= 21) || type == 32 || type == 33)
		return TS_SCAN_ACCESS;
	return type < 16 ? TS_SCAN_OTHER : TS_SCAN_UNDECIDED;
}

/* MPEG-1/2: a sequence header before the picture header. */
static enum ts_scan_verdict judge_mpeg2(unsigned code)
{
	if (code == 0xb3)
		return TS_SCAN_ACCESS;
	return code == 0x00 ? TS_SCAN_OTHER : TS_SCAN_UNDECIDED;
}

/* MPEG-4 part 2: a sequence or an object layer before the first plane. */
static enum ts_scan_verdict judge_mpeg4(unsigned code)
{
	if (code == 0xb0 || (code >= 0x20 && code <= 0x2f))
		return TS_SCAN_ACCESS;
	return code == 0xb6 ? TS_SCAN_OTHER : TS_SCAN_UNDECIDED;
}

static judge *judge_of(unsigned stream_type)
{
	switch (stream_type) {
	case 0x01:
	case 0x02:
		return judge_mpeg2;
	case 0x10:
		return judge_mpeg4;
	case 0x1b:
		return judge_h264;
	case 0x24:
		return judge_hevc;
	default:
		return NULL;
	}
}

bool ts_scan_knows(unsigned stream_type)
{
	return judge_of(stream_type) != NULL;
}

enum ts_scan_verdict ts_scan(unsigned stream_type, uint32_t *word, const uint8_t *bytes, size_t n)
{
	judge *verdict_of = judge_of(stream_type);
	uint32_t w = *word;

	assert(verdict_of); /* ts_scan_knows() */
	for (size_t i = 0; i < n; i++) {
		w = w << 8 | bytes[i];
		if (w >> 8 == 1) {
			enum ts_scan_verdict v = verdict_of(w & 0xff);

			if (v != TS_SCAN_UNDECIDED)
				return v;
		}
	}
	*word = w;
	return TS_SCAN_UNDECIDED;
}
