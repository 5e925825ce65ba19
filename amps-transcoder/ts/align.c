#include "amps-transcoder/ts/align.h"

#include <assert.h>
#include <string.h>

#include "amps-transcoder/ts/parse.h"

#define LOOK_PACKETS 3u /* sync bytes in a row that are needed to be in sync */

static const unsigned spacings[] = {188, 192, 204};

/* True if LOOK_PACKETS sync bytes follow from `at` on, `spacing` apart. */
static bool in_step(const uint8_t *buf, size_t len, size_t at, unsigned spacing)
{
	if (len - at <= (LOOK_PACKETS - 1) * spacing)
		return false;
	for (unsigned i = 0; i < LOOK_PACKETS; i++)
		if (buf[at + i * spacing] != TS_SYNC)
			return false;
	return true;
}

/* The first position from `at` on where packets begin; len if there is none yet. */
static size_t hunt(struct ts_align *a, const uint8_t *buf, size_t len, size_t at)
{
	while (at < len) {
		const uint8_t *sync = memchr(buf + at, TS_SYNC, len - at);

		if (!sync)
			return len;
		at = (size_t)(sync - buf);
		for (size_t i = 0; i < array_size(spacings); i++)
			if (in_step(buf, len, at, spacings[i])) {
				a->spacing = spacings[i];
				return at;
			}
		/* too close to the end to decide: wait for more */
		if (len - at <= (LOOK_PACKETS - 1) * spacings[array_size(spacings) - 1])
			return at;
		at++;
	}
	return at;
}

/* How many of the `left` bytes to skip between packets. */
static size_t pass(struct ts_align *a, size_t left)
{
	size_t n = MIN(a->skip, left);

	assert(a->skip < 204);
	a->skip -= (unsigned)n;
	return n;
}

size_t ts_align(struct ts_align *a, uint8_t *buf, size_t len, size_t *ret_rest)
{
	size_t in = pass(a, len), out = 0;

	while (len - in >= TS_PACKET) {
		if (!a->spacing) {
			size_t start = hunt(a, buf, len, in);

			a->dropped += start - in;
			in = start;
			if (!a->spacing)
				break;
			continue;
		}
		if (buf[in] != TS_SYNC) {
			a->spacing = 0;
			a->losses++;
			continue;
		}
		if (in != out)
			memmove(buf + out, buf + in, TS_PACKET);
		out += TS_PACKET;
		in += TS_PACKET;
		a->skip = a->spacing - TS_PACKET;
		in += pass(a, len - in);
	}
	assert(out <= in && in <= len);
	if (in != out && len > in)
		memmove(buf + out, buf + in, len - in);
	*ret_rest = len - in;
	return out;
}

void ts_align_restart(struct ts_align *a)
{
	a->spacing = a->skip = 0;
}

bool ts_align_probe(const uint8_t *bytes, size_t len)
{
	struct ts_align a = {0};

	/* accept a little garbage in front, but not a text with three Gs */
	return hunt(&a, bytes, len, 0) < spacings[array_size(spacings) - 1] && a.spacing;
}
