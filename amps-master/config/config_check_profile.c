#include <string.h>

#include "amps-master/config/config_check_parts.h"
#include "amps-master/util/json.h"
#include "amps-master/lineup/options_list.h"
#include "common/text/text.h"

const char *const config_check_forms[] = {
	"ts",  "hls",	       "ll-hls",    "dash",	     "rtsp",	     "audio",
	"mse", "websocket=ts", "mpegts=ts", "ll_hls=ll-hls", "llhls=ll-hls", NULL};

/* The containers that stand for an output format: ts, mse, hls, dash, audio. */
static const char *const containers[] = {"mpegts", "mp4", "hls", "dash", "adts", NULL};

static bool finish_hwaccel(struct check *c, const struct spot *at, json_t *out)
{
	static const char *const types[] = {"vaapi", "nvidia", "cuda",	 "nvenc", "qsv", "vdpau",
					    "drm",   "vulkan", "opencl", "auto",  "none"};
	const char *type = json_string_value(json_object_get(out, "type"));
	struct spot inner;

	if (type == NULL)
		return true;
	for (size_t i = 0; i < array_size(types); i++) {
		if (strcasecmp(type, types[i]) == 0)
			return true;
	}
	inner = check_enter_key(c, at->value, "type");
	if (strcasecmp(type, "videotoolbox") == 0)
		check_warning(c, &inner, "videotoolbox exists on macOS only");
	else
		check_unknown(c, &inner, PROBLEM_WARNING, "hardware", type, types,
			      array_size(types));
	check_leave(c, &inner);
	return true;
}

static const struct field hwaccel_fields[] = {
	FIELD("type", value_text, .flags = FIELD_REQUIRED | FIELD_FILLED),
	FIELD("device", value_text),
	FIELD("fallback", value_bool),
};

const char *config_check_type(const char *text)
{
	(void)text;
	return "type";
}

const struct section config_check_hwaccel = {FIELDS(hwaccel_fields), .alone = config_check_type,
					     .finish = finish_hwaccel};

static const struct field profile_fields[] = {
	FIELD("output_format", value_choice, .choices = config_check_forms),
	FIELD("ll_hls", value_bool),
	FIELD("audio_only", value_bool),
	FIELD("hwaccel", value_section, .section = &config_check_hwaccel),
	FIELD("format", value_choice, .choices = containers),
	FIELD("f", value_choice, .choices = containers),
	FIELD("hls_time", value_number, .min = .1, .max = 60),
	FIELD("hls_list_size", value_int, .max = 100000),
	FIELD("seg_duration", value_number, .min = .1, .max = 60),
	FIELD("window_size", value_int, .max = 100000),
};

static bool finish_profile(struct check *c, const struct spot *at, json_t *out)
{
	struct option_ask ask = {.path = c->path.data,
				 .line = at->line,
				 .container = at->value,
				 .kind = "profile",
				 .source = ""};

	if (c->asks == NULL || c->path.data == NULL)
		return true;
	ask.options = options_list(out);
	if (json_read_bool(out, "audio_only", false) &&
	    json_array_append_new(ask.options, json_pack("[sn]", "vn")) < 0)
		c->out_of_memory = true;
	if (option_asks_add(c->asks, &ask) < 0)
		c->out_of_memory = true;
	return true;
}

static const struct section profile_section = {FIELDS(profile_fields), .other = value_option,
					       .finish = finish_profile};

/* `name:` without a value is a profile without options. */
static json_t *read_profile(struct check *c, const struct field *f, const struct spot *at)
{
	static const struct field profile = {.section = &profile_section};

	(void)f;
	return json_is_null(at->value) ? json_object() : value_section(c, &profile, at);
}

const struct section config_check_profiles = {.other = read_profile};

void config_check_profile_name(struct check *c, const struct spot *at,
			       enum problem_severity severity)
{
	struct spot inner = check_enter_key(c, at->value, "ffmpeg_profile");
	const char *name = inner.raw != NULL ? inner.raw : json_string_value(inner.value);
	const char *candidates[256] = {"copy"};
	const char *key;
	json_t *unused;
	size_t n = 1;

	if (name != NULL && strcmp(name, "copy") != 0 &&
	    json_object_get(c->profiles, name) == NULL) {
		json_object_foreach ((json_t *)c->profiles, key, unused) {
			if (n < array_size(candidates))
				candidates[n++] = key;
		}
		check_unknown(c, &inner, severity, "profile", name, candidates, n);
	}
	check_leave(c, &inner);
}
