#include "amps-transcoder/encode/sound_frame.h"

#include <assert.h>

#define SAMPLES	   1024
#define RATE_GIVEN 15 /* the rate itself follows */

static const int rates[16] = {96000, 88200, 64000, 48000, 44100, 32000, 24000,
			      22050, 16000, 12000, 11025, 8000,	 7350};

/* Reads bits in order; past the end they are zero. */
struct bits {
	const uint8_t *bytes;
	size_t n, at;
};

static unsigned take(struct bits *b, unsigned count)
{
	unsigned value = 0;

	assert(count <= 32);
	for (; count; count--, b->at++) {
		unsigned byte = b->at / 8 < b->n ? b->bytes[b->at / 8] : 0;

		value = value << 1 | (byte >> (7 - b->at % 8) & 1u);
	}
	return value;
}

static int64_t length_90k(unsigned frames, int rate)
{
	return rate > 0 ? (int64_t)frames * SAMPLES * 90000 / rate : 0;
}

/* LatmGetValue(): up to four bytes, their number first. */
static unsigned take_value(struct bits *b)
{
	return take(b, (take(b, 2) + 1) * 8);
}

/* AudioMuxElement(1) with a StreamMuxConfig(). */
static int64_t loas_length_90k(struct bits *b)
{
	unsigned version, version_a = 0, frames, rate;

	if (take(b, 1))
		return 0; /* the configuration is that of an earlier frame */
	version = take(b, 1);
	if (version)
		version_a = take(b, 1);
	if (version_a)
		return 0;
	if (version)
		take_value(b); /* taraBufferFullness */
	take(b, 1);	       /* allStreamsSameTimeFraming */
	frames = take(b, 6) + 1;
	take(b, 4 + 3); /* numProgram, numLayer */
	if (version)
		take_value(b); /* ascLen */
	if (take(b, 5) == 31)
		take(b, 6); /* audioObjectType */
	rate = take(b, 4);
	return length_90k(frames, rate == RATE_GIVEN ? (int)take(b, 24) : rates[rate]);
}

int64_t sound_frame_length_90k(const uint8_t *bytes, size_t n)
{
	struct bits b = {.bytes = bytes, .n = n, .at = 24};

	if (n < 7)
		return 0;
	if (bytes[0] == 0xff && (bytes[1] & 0xf6) == 0xf0)
		return length_90k((bytes[6] & 3u) + 1, rates[bytes[2] >> 2 & 15]);
	if (bytes[0] == 0x56 && (bytes[1] & 0xe0) == 0xe0)
		return loas_length_90k(&b);
	return 0;
}
