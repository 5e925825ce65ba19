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

/* The keys that mean more than an option of ffmpeg for the picture. */
static const struct key {
	const char *name;
	unsigned flags;
} keys[] = {
	{"output_format", KEY_OWN},
	{"ll_hls", KEY_OWN},
	{"audio_only", KEY_OWN},
	{"hwaccel", KEY_FORM},
	{"format", KEY_FORM},
	{"f", KEY_FORM},
	{"movflags", KEY_FORM},
	{"seg_duration", KEY_FORM},
	{"window_size", KEY_FORM},
	{"c", KEY_CODEC | KEY_VIDEO | KEY_AUDIO | KEY_SOUND},
	{"codec", KEY_CODEC | KEY_VIDEO | KEY_AUDIO | KEY_SOUND},
	{"vcodec", KEY_CODEC | KEY_VIDEO},
	{"c:v", KEY_CODEC | KEY_VIDEO},
	{"codec:v", KEY_CODEC | KEY_VIDEO},
	{"acodec", KEY_CODEC | KEY_AUDIO | KEY_SOUND},
	{"c:a", KEY_CODEC | KEY_AUDIO | KEY_SOUND},
	{"codec:a", KEY_CODEC | KEY_AUDIO | KEY_SOUND},
	{"scodec", KEY_CODEC},
	{"c:s", KEY_CODEC},
	{"codec:s", KEY_CODEC},
	{"dcodec", KEY_CODEC},
	{"c:d", KEY_CODEC},
	{"codec:d", KEY_CODEC},
	{"an", KEY_SOUND},
	{"map", KEY_SOUND},
	{"filter_complex", KEY_SOUND},
	{"lavfi", KEY_SOUND},
	{"audio_bitrate", KEY_SOUND | KEY_ENCODES},
	{"b:a", KEY_SOUND | KEY_ENCODES},
	{"ac", KEY_SOUND | KEY_ENCODES},
	{"ar", KEY_SOUND | KEY_ENCODES},
	{"af", KEY_SOUND | KEY_ENCODES},
	{"filter:a", KEY_SOUND | KEY_ENCODES},
	{"channel_layout", KEY_SOUND | KEY_ENCODES},
	{"ch_layout", KEY_SOUND | KEY_ENCODES},
	{"sample_fmt", KEY_SOUND | KEY_ENCODES},
	{"loudness", KEY_SOUND | KEY_ENCODES},
	{"vol", KEY_SOUND | KEY_ENCODES},
};

/* Is `name` the key, alone or with a stream specifier that applies it to fewer streams? */
static bool specifies(const char *name, const char *key)
{
	size_t len = strlen(key);

	return strncmp(key, name, len) == 0 && (name[len] == '\0' || name[len] == ':');
}

unsigned options_list_key(const char *name)
{
	const char *stream = strstr(name, ":a");
	unsigned flags = strncmp(name, "hls_", 4) == 0 ? KEY_FORM : 0;

	for (size_t i = 0; i < array_size(keys); i++) {
		if (strcmp(keys[i].name, name) == 0)
			flags |= keys[i].flags;
		else if (specifies(name, keys[i].name))
			flags |= keys[i].flags & KEY_ENCODES;
	}
	if (stream != NULL && (stream[2] == '\0' || stream[2] == ':'))
		flags |= KEY_SOUND;
	return flags;
}

static int append_option(json_t *list, const char *name, const json_t *value)
{
	json_t *text = json_is_null(value) ? json_null() : options_list_value(value);
	json_t *pair;

	if (text == NULL)
		return 0;
	pair = json_pack("[so]", name, text);
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
		if ((options_list_key(name) & KEY_OWN) == 0 && append_each(list, name, value) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
