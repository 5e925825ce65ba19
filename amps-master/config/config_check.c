#include "amps-master/config/config_check.h"

#include <assert.h>
#include "amps-master/lineup/channel_rules.h"
#include "amps-master/config/config_check_parts.h"
#include "common/limits.h"

/* DASH lists the same segments as HLS. */
static void check_segments(struct check *c, const struct spot *at, const json_t *out)
{
	const char *key = "segment_seconds";
	double ours = json_number_value(json_object_get(json_object_get(out, "hls"), key));
	const json_t *asked = json_object_get(json_object_get(out, "dash"), key);
	json_t *given = json_object_get(at->value, "dash");
	struct spot dash, seconds;

	/* NULL: it was refused */
	if (json_object_get(given, key) == NULL || asked == NULL ||
	    json_number_value(asked) == ours)
		return;
	dash = check_enter_key(c, at->value, "dash");
	seconds = check_enter_key(c, given, key);
	check_warning(c, &seconds, "has no effect: the segments are those of hls, %g s", ours);
	check_leave(c, &seconds);
	check_leave(c, &dash);
}

/* In the model, "ffmpeg_profiles" is named "profiles" and always contains `copy`. */
static bool finish_root(struct check *c, const struct spot *at, json_t *out)
{
	json_t *profiles = json_object_get(out, "ffmpeg_profiles");

	check_segments(c, at, out);
	if (profiles == NULL)
		return true;
	if (json_object_set(out, "profiles", profiles) < 0 || channel_profiles_complete(out) < 0)
		c->out_of_memory = true;
	json_object_del(out, "ffmpeg_profiles");
	return true;
}

static const struct field root_fields[] = {
	FIELD("server", value_section, .section = &config_check_server, .fallback = "{}"),
	FIELD("auth", value_section, .section = &config_check_auth, .fallback = "{}"),
	FIELD("media_root", value_text, .flags = FIELD_FILLED, .fallback = "null"),
	FIELD("media_limit_mb", value_int, .min = 1, .max = 1 << 24, .fallback = "1024"),
	FIELD("streaming", value_section, .section = &config_check_streaming, .fallback = "{}"),
	FIELD("hls", value_section, .section = &config_check_hls, .fallback = "{}"),
	FIELD("dash", value_section, .section = &config_check_dash, .fallback = "{}"),
	FIELD("epg", value_section, .section = &config_check_epg, .fallback = "{}"),
	FIELD("limits", value_section, .section = &config_check_limits, .fallback = "{}"),
	FIELD("region", value_section, .section = &config_check_region, .fallback = "{}"),
	FIELD("hooks", value_section, .section = &config_check_hooks, .fallback = "{}"),
	FIELD("plugins", config_check_plugins, .fallback = "[]"),
	FIELD("yt_dlp_path", value_text, .flags = FIELD_FILLED, .fallback = "null"),
	FIELD("ffmpeg_profiles", value_section, .section = &config_check_profiles,
	      .fallback = "{}"),
	FIELD("streams", value_list, .item = &config_check_stream, .max = CHANNELS_MAX,
	      .fallback = "[]"),
	/* read after the streams: if two entries have one id, the stream keeps it */
	FIELD("scheduled_streams", value_list, .flags = FIELD_LAST, .item = &config_check_scheduled,
	      .max = CHANNELS_MAX, .fallback = "[]"),
};

static const struct section root_section = {FIELDS(root_fields), .finish = finish_root};

/* Reads the whole tree as this field; see config_check(). */
static int run(struct check *c, const struct field *f, json_t *tree, json_t **ret)
{
	struct spot at = check_root(tree);
	size_t path_len = c->path.len;
	json_t *read = f->read(c, f, &at);
	bool no_memory = c->out_of_memory || !buf_ok(&c->path) || c->ids == NULL;

	assert(no_memory || c->path.len == path_len);
	json_decref(c->ids);
	buf_done(&c->path);
	if (!no_memory && read != NULL && c->problems->errors == 0) {
		*ret = read;
		return 0;
	}
	json_decref(read);
	return no_memory ? -ENOMEM : -EINVAL;
}

int config_check(json_t *tree, const char *file, const struct marks *marks,
		 struct option_asks *asks, struct problems *problems, json_t **ret_model)
{
	static const struct field root = {.read = value_section, .section = &root_section};
	struct check c = {.file = file,
			  .marks = marks,
			  .problems = problems,
			  .asks = asks,
			  .profiles = json_object_get(tree, "ffmpeg_profiles"),
			  .ids = json_object()};

	return run(&c, &root, tree, ret_model);
}

int config_check_token(json_t *entry, struct problems *problems, json_t **ret_entry)
{
	struct check c = {.file = "", .problems = problems, .ids = json_object()};

	return run(&c, &config_check_new_token, entry, ret_entry);
}

int config_check_channel(json_t *entry, const char *path, const json_t *profiles,
			 struct option_asks *asks, struct problems *problems, json_t **ret_entry)
{
	bool scheduled = json_object_get(entry, "schedule") != NULL;
	struct check c = {.file = "",
			  .problems = problems,
			  .asks = asks,
			  .profiles = profiles,
			  .alone = true,
			  .ids = json_object()};

	buf_puts(&c.path, path);
	return run(&c, scheduled ? &config_check_scheduled : &config_check_stream, entry,
		   ret_entry);
}
