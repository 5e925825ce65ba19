#include "amps-master/lineup/options_list.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

json_t *options_list_value(const json_t *value)
{
	char text[64];
	double real;

	switch (json_typeof(value)) {
	case JSON_STRING:
		return json_string(json_string_value(value));
	case JSON_TRUE:
		return json_string("1");
	case JSON_FALSE:
		return json_string("0");
	case JSON_INTEGER:
		return json_sprintf("%lld", (long long)json_integer_value(value));
	case JSON_REAL:
		real = json_real_value(value);
		if (!isfinite(real))
			return NULL;
		snprintf(text, sizeof(text), "%.15g", real);
		return json_string(text);
	default:
		return NULL;
	}
}

/* Keys of a profile that are ours, not ffmpeg's. */
static bool is_own(const char *name)
{
	return strcmp(name, "output_format") == 0 || strcmp(name, "ll_hls") == 0 ||
	       strcmp(name, "audio_only") == 0;
}

/* ffmpeg-python had names of its own for two options. */
static const char *ffmpeg_name(const char *name)
{
	if (strcmp(name, "video_bitrate") == 0)
		return "b:v";
	return strcmp(name, "audio_bitrate") == 0 ? "b:a" : name;
}

static int append_option(json_t *list, const char *name, const json_t *value)
{
	json_t *text = json_is_null(value) ? json_null() : options_list_value(value);
	json_t *pair;

	if (text == NULL)
		return 0;
	pair = json_pack("[so]", ffmpeg_name(name), text);
	return pair == NULL || json_array_append_new(list, pair) < 0 ? -ENOMEM : 0;
}

static int append_each(json_t *list, const char *name, const json_t *value)
{
	size_t i;
	json_t *item;
	int error = 0;

	if (!json_is_array(value))
		return append_option(list, name, value);
	json_array_foreach (value, i, item) {
		error = append_option(list, name, item);
		if (error < 0)
			break;
	}
	return error;
}

json_t *options_list(const json_t *mapping)
{
	json_t *list = json_array();
	const char *name;
	json_t *value;

	if (list == NULL)
		return NULL;
	json_object_foreach ((json_t *)mapping, name, value) {
		if (!is_own(name) && append_each(list, name, value) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
