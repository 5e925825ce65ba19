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

/* Every key that is not simply an option of ffmpeg's under its own name. */
static const struct key {
	const char *name;
	unsigned flags;
	const char *ffmpeg; /* its name there, NULL = the same */
} keys[] = {
	{"output_format", KEY_OWN, NULL},
	{"ll_hls", KEY_OWN, NULL},
	{"audio_only", KEY_OWN, NULL},
	{"hwaccel", KEY_FORM, NULL},
	{"format", KEY_FORM, NULL},
	{"f", KEY_FORM, NULL},
	{"movflags", KEY_FORM, NULL},
	{"seg_duration", KEY_FORM, NULL},
	{"window_size", KEY_FORM, NULL},
	{"c", KEY_CODEC | KEY_VIDEO | KEY_AUDIO, NULL},
	{"codec", KEY_CODEC | KEY_VIDEO | KEY_AUDIO, NULL},
	{"vcodec", KEY_CODEC | KEY_VIDEO, NULL},
	{"c:v", KEY_CODEC | KEY_VIDEO, NULL},
	{"codec:v", KEY_CODEC | KEY_VIDEO, NULL},
	{"acodec", KEY_CODEC | KEY_AUDIO, NULL},
	{"c:a", KEY_CODEC | KEY_AUDIO, NULL},
	{"codec:a", KEY_CODEC | KEY_AUDIO, NULL},
	{"scodec", KEY_CODEC, NULL},
	{"c:s", KEY_CODEC, NULL},
	{"codec:s", KEY_CODEC, NULL},
	{"dcodec", KEY_CODEC, NULL},
	{"c:d", KEY_CODEC, NULL},
	{"codec:d", KEY_CODEC, NULL},
	/* names of ffmpeg-python's */
	{"video_bitrate", 0, "b:v"},
	{"audio_bitrate", 0, "b:a"},
};

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < array_size(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

unsigned options_list_key(const char *name)
{
	const struct key *key = find_key(name);

	if (key != NULL)
		return key->flags;
	return strncmp(name, "hls_", 4) == 0 ? KEY_FORM : 0;
}

static int append_option(json_t *list, const char *name, const json_t *value)
{
	const struct key *key = find_key(name);
	json_t *text = json_is_null(value) ? json_null() : options_list_value(value);
	json_t *pair;

	if (text == NULL)
		return 0;
	pair = json_pack("[so]", key != NULL && key->ffmpeg != NULL ? key->ffmpeg : name, text);
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
