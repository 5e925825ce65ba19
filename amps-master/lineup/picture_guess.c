#include "amps-master/lineup/picture_guess.h"

#include <stdio.h>
#include <string.h>

#include "amps-master/util/json.h"

#define SOUND_BPS 160000u
#define BPS_MAX	  1000000000.

static const char *option(const json_t *profile, const char *const *names, char scratch[32])
{
	for (; *names; names++) {
		const char *text = json_read_text(profile, *names, scratch);

		if (text)
			return text;
	}
	return NULL;
}

/* "2500k", "2.5M", "800000"; 0 if it is none. */
static uint32_t read_rate(const char *text)
{
	char *end;
	double value = text ? strtod(text, &end) : 0;

	if (!text || end == text)
		return 0;
	if (*end == 'k' || *end == 'K')
		value *= 1e3;
	else if (*end == 'M')
		value *= 1e6;
	return value > 0 && value < BPS_MAX ? (uint32_t)value : 0;
}

static void read_size(const char *text, struct picture_guess *to)
{
	int width, height;

	if (!text || sscanf(text, "%d%*[x:]%d", &width, &height) != 2)
		return;
	/* one of them may follow from the shape of the source, which is mostly this one */
	if (width <= 0 && height > 0)
		width = (height * 16 / 9 + 1) / 2 * 2;
	if (height <= 0 && width > 0)
		height = (width * 9 / 16 + 1) / 2 * 2;
	if (width <= 0 || height <= 0 || width > UINT16_MAX || height > UINT16_MAX)
		return;
	to->width = (uint16_t)width;
	to->height = (uint16_t)height;
}

struct picture_guess picture_guess(const json_t *profile)
{
	static const char *const peaks[] = {"maxrate",	     "maxrate:v", "b:v",
					    "video_bitrate", "vb",	  NULL};
	static const char *const sounds[] = {"b:a", "audio_bitrate", "ab", NULL};
	static const char *const sizes[] = {"s", "s:v", NULL};
	static const char *const filters[] = {"vf", "filter:v", NULL};
	static const char *const rates[] = {"r", "r:v", NULL};
	struct picture_guess g = {0};
	const char *filter, *rate;
	char scratch[32];
	uint32_t sound;

	g.bps = read_rate(option(profile, peaks, scratch));
	sound = read_rate(option(profile, sounds, scratch));
	if (g.bps)
		g.bps += sound ? sound : SOUND_BPS;
	filter = option(profile, filters, scratch);
	filter = filter ? strstr(filter, "scale=") : NULL;
	if (filter)
		read_size(filter + strlen("scale="), &g);
	read_size(option(profile, sizes, scratch), &g);
	rate = option(profile, rates, scratch);
	g.rate_milli = rate && !strchr(rate, '/') ? read_rate(rate) * 1000 : 0;
	return g;
}
