#include "amps-master/lineup/picture_guess.h"

#include <stdio.h>
#include <string.h>

#include "amps-master/lineup/options_list.h"
#include "amps-master/util/json.h"
#include "common/text/text.h"

#define SOUND_BPS   160000u
#define BPS_MAX	    1000000000.
#define KEY_GRID_MS 2000u /* of an encoder whose profile says nothing of key frames */
#define RATE_MILLI  30000u

static const char *option(const json_t *profile, const char *const *names, char scratch[32])
{
	for (; *names; names++) {
		const char *text = json_read_text(profile, *names, scratch);

		if (text)
			return text;
	}
	return NULL;
}

/* "2500k", "2.5M", "800000"; 0 if it is not a bit rate. */
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
	/* if only one side is given, the other follows from the source's shape, which is mostly
	 * 16:9 */
	if (width <= 0 && height > 0)
		width = (height * 16 / 9 + 1) / 2 * 2;
	if (height <= 0 && width > 0)
		height = (width * 9 / 16 + 1) / 2 * 2;
	if (width <= 0 || height <= 0 || width > UINT16_MAX || height > UINT16_MAX)
		return;
	to->width = (uint16_t)width;
	to->height = (uint16_t)height;
}

/* The encoder of this kind, KEY_VIDEO or KEY_AUDIO; "" if the profile names none. */
static const char *encoder_of(const json_t *profile, unsigned kind)
{
	const char *key, *found = "";
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)profile, key, value) {
		unsigned flags = options_list_key(key);

		if (flags & KEY_CODEC && flags & kind && json_is_string(value))
			found = json_string_value(value);
	}
	return found;
}

/* The smallest level whose limits of samples a picture and a second hold this picture; that of
 * 1080p30 if its size is not known. */
static unsigned level_of(const struct picture_guess *g, bool hevc)
{
	static const struct {
		unsigned avc, hevc;
		uint64_t size, rate; /* luma samples */
	} levels[] = {
		{30, 90, 552960, 16588800},    {31, 93, 983040, 33177600},
		{40, 120, 2228224, 66846720},  {42, 123, 2228224, 133693440},
		{51, 150, 8912896, 267386880}, {52, 153, 8912896, 534773760},
	};
	uint64_t size = g->width ? (uint64_t)g->width * g->height : 1920 * 1080;
	uint64_t rate = size * (g->rate_milli ? g->rate_milli : RATE_MILLI) / 1000;
	size_t i = 0;

	while (i < array_size(levels) - 1 && (size > levels[i].size || rate > levels[i].rate))
		i++;
	return hevc ? levels[i].hevc : levels[i].avc;
}

static bool flag_on(const json_t *profile, const char *name)
{
	const json_t *value = json_object_get(profile, name);

	return json_is_null(value) || json_is_true(value);
}

static bool contains(const char *text, const char *part)
{
	return text && strstr(text, part);
}

/* Profile and constraints as libx264 and the hardware encoders choose them. */
static unsigned avc_profile(const json_t *profile)
{
	static const char *const names[] = {"profile:v", "profile", NULL};
	static const char *const presets[] = {"preset", NULL};
	char scratch[32], other[32];
	const char *name = option(profile, names, scratch);

	if (contains(name, "baseline") ||
	    (!name && contains(option(profile, presets, other), "ultrafast")))
		return 0x42c0;
	if (contains(name, "main"))
		return 0x4d40;
	if (contains(name, "high10"))
		return 0x6e00;
	if (contains(name, "high422"))
		return 0x7a00;
	return contains(name, "high444") ? 0xf400 : 0x6400;
}

static void guess_picture(struct picture_guess *g, const json_t *profile, const char *encoder)
{
	static const char *const formats[] = {"pix_fmt", NULL};
	char scratch[32];

	if (!encoder[0] || contains(encoder, "264")) {
		snprintf(g->picture, sizeof(g->picture), "avc1.%04x%02x", avc_profile(profile),
			 level_of(g, false));
	} else if (contains(encoder, "265") || contains(encoder, "hevc")) {
		snprintf(g->picture, sizeof(g->picture), "hvc1.%s.L%u.90",
			 contains(option(profile, formats, scratch), "10") ? "2.4" : "1.6",
			 level_of(g, true));
	} else {
		text_copy(g->picture, sizeof(g->picture),
			  !strcmp(encoder, "copy")	   ? ""
			  : !strcmp(encoder, "mpeg2video") ? "mp4v.61"
							   : "?");
	}
}

static const char *guess_sound(const json_t *profile, const char *encoder)
{
	static const struct {
		const char *encoder, *text;
	} known[] = {{"", "mp4a.40.2"},
		     {"aac", "mp4a.40.2"},
		     {"libfdk_aac", "mp4a.40.2"},
		     {"libmp3lame", "mp4a.40.34"},
		     {"mp2", "mp4a.40.33"},
		     {"libtwolame", "mp4a.40.33"},
		     {"ac3", "ac-3"},
		     {"eac3", "ec-3"},
		     {"libopus", "opus"},
		     {"copy", ""}};

	if (flag_on(profile, "an"))
		return "-";
	for (size_t i = 0; i < array_size(known); i++)
		if (strcmp(known[i].encoder, encoder) == 0)
			return known[i].text;
	return "?";
}

/* The distance is certain only while these encoders keep their defaults. */
static uint32_t guess_keys(const struct picture_guess *g, const json_t *profile,
			   const char *encoder)
{
	static const char *const other[] = {
		"force_key_frames", "forced-idr", "x264-params", "x264opts",
		"x265-params",	    "g:v",	  "flags",	 "keyint_min",
		"filter_complex",   "hwaccel"};
	bool hevc = strcmp(encoder, "libx265") == 0;
	char scratch[32];
	const char *frames = json_read_text(profile, "g", scratch);
	double ms;

	if (encoder[0] && !hevc && strcmp(encoder, "libx264") != 0)
		return UINT32_MAX;
	for (size_t i = 0; i < array_size(other); i++)
		if (json_object_get(profile, other[i]))
			return UINT32_MAX;
	if (hevc && json_object_get(profile, "tune"))
		return UINT32_MAX;
	if (!frames)
		return KEY_GRID_MS;
	ms = g->rate_milli ? strtod(frames, NULL) * 1e6 / g->rate_milli : 0;
	return ms > 0 && ms < 1e6 ? (uint32_t)ms : UINT32_MAX;
}

static void guess_codecs(struct picture_guess *g, const json_t *profile, bool audio_only)
{
	const char *encoder = encoder_of(profile, KEY_VIDEO);

	text_copy(g->sound, sizeof(g->sound), guess_sound(profile, encoder_of(profile, KEY_AUDIO)));
	if (audio_only || flag_on(profile, "vn")) {
		text_copy(g->picture, sizeof(g->picture), "-");
		return;
	}
	guess_picture(g, profile, encoder);
	g->key_ms = guess_keys(g, profile, encoder);
}

struct picture_guess picture_guess(const json_t *profile, bool audio_only)
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
	guess_codecs(&g, profile, audio_only);
	return g;
}
