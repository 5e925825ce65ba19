/* One channel: an entry of `streams` or of `scheduled_streams`. */
#include <stdio.h>
#include <string.h>

#include "amps-master/lineup/channel_rules.h"
#include "amps-master/config/config_check_parts.h"
#include "common/limits.h"

static bool is_given(const json_t *mapping, const char *key)
{
	const json_t *value = json_object_get(mapping, key);

	return value != NULL && !json_is_null(value);
}

static const char *text_of(const json_t *mapping, const char *key)
{
	const char *text = json_string_value(json_object_get(mapping, key));

	return text != NULL ? text : "";
}

/* "" = none that can be read. */
static const char *source_of(const json_t *mapping, char scratch[32])
{
	const char *source = channel_source(mapping, scratch);

	return source != NULL ? source : "";
}

/* Beside a custom_ffmpeg command, a profile name only selects the output format. */
static void check_profile_name(struct check *c, const struct spot *at)
{
	config_check_profile_name(
		c, at, is_given(at->value, "custom_ffmpeg") ? PROBLEM_WARNING : PROBLEM_ERROR);
}

static bool finish_variant(struct check *c, const struct spot *at, json_t *out)
{
	(void)out;
	check_profile_name(c, at);
	return true;
}

static const struct field variant_fields[] = {
	FIELD("name", value_text, .flags = FIELD_REQUIRED | FIELD_FILLED,
	      .max = VARIANT_NAME_MAX - 1),
	FIELD("label", value_text),
	FIELD("ffmpeg_profile", value_text, .flags = FIELD_FILLED),
	FIELD("custom_ffmpeg", config_check_command),
};
static const struct section variant_section = {FIELDS(variant_fields), .base = &config_check_inputs,
					       .finish = finish_variant};

/* The name of variant i as written; NULL if it has none, or one that is not text. */
static const char *variant_name(const struct check *c, const json_t *list, size_t i)
{
	const json_t *variant = json_array_get(list, i);
	struct mark mark = marks_key(c->marks, variant, "name");

	return mark.raw != NULL ? mark.raw : json_string_value(json_object_get(variant, "name"));
}

static void check_variant_names(struct check *c, const struct spot *list)
{
	for (size_t i = 0; i < json_array_size(list->value); i++) {
		const char *name = variant_name(c, list->value, i);
		size_t first = 0;

		while (name != NULL && first < i) {
			const char *other = variant_name(c, list->value, first);

			if (other != NULL && strcmp(name, other) == 0)
				break;
			first++;
		}
		if (name != NULL && first < i) {
			struct spot item = check_enter_index(c, list->value, i);
			struct spot at = check_enter_key(c, item.value, "name");

			check_error(c, &at, "%s is already the name of variant %zu",
				    check_name(&at).text, first);
			check_leave(c, &at);
			check_leave(c, &item);
		}
	}
}

static json_t *read_variants(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *list = value_list(c, f, at);

	if (list != NULL)
		check_variant_names(c, at);
	return list;
}

/* Reports a profile that copies, because a lavfi source is raw.  `owner` is the mapping that names
 * the profile. */
static void check_lavfi_copy(struct check *c, const struct spot *owner, const char *profile)
{
	const json_t *definition = json_object_get(c->profiles, profile);
	struct spot at;

	if (definition != NULL ? !channel_profile_copies(definition) : strcmp(profile, "copy") != 0)
		return;
	at = check_enter_key(c, owner->value, "ffmpeg_profile");
	check_error(c, &at,
		    "'%.60s' cannot carry a lavfi source, which is raw: choose a profile with "
		    "encoders",
		    profile);
	check_leave(c, &at);
}

static bool variant_is_lavfi(struct check *c, const json_t *variant, const json_t *channel)
{
	json_auto_t *both = channel_with_variant(channel, variant);
	bool lavfi = both != NULL && channel_is_lavfi(both);

	c->out_of_memory = c->out_of_memory || both == NULL;
	return lavfi;
}

/* Is one of the channel's sources lavfi?  Then all are encoded. */
static bool any_lavfi(struct check *c, const json_t *out)
{
	bool lavfi = channel_is_lavfi(out);
	size_t i;
	json_t *item;

	json_array_foreach (json_object_get(out, "sources"), i, item) {
		json_auto_t *both = channel_with_source(out, item);

		c->out_of_memory = c->out_of_memory || both == NULL;
		lavfi = lavfi || (both != NULL && channel_is_lavfi(both));
	}
	return lavfi;
}

static void check_lavfi(struct check *c, const struct spot *at, const json_t *out)
{
	struct spot list = check_enter_key(c, at->value, "adaptive_bitrates");

	for (size_t i = 0; i < json_array_size(list.value); i++) {
		struct spot variant = check_enter_index(c, list.value, i);

		/* a variant without its own profile uses the channel's, which is checked below */
		if (is_given(variant.value, "ffmpeg_profile") &&
		    variant_is_lavfi(c, variant.value, out))
			check_lavfi_copy(c, &variant, text_of(variant.value, "ffmpeg_profile"));
		check_leave(c, &variant);
	}
	check_leave(c, &list);
	if (any_lavfi(c, out))
		check_lavfi_copy(c, at, text_of(out, "ffmpeg_profile"));
}

/* Options of the source beside a command, which opens it; those that could be read. */
static void check_beside_command(struct check *c, const struct spot *at, const json_t *read)
{
	static const char *const keys[] = {"input_options", "input_args",    "source_handler",
					   "use_yt_dlp",    "yt_dlp_format", "interface",
					   "proxy"};

	if (channel_pair_wrong(read))
		check_error(c, at, CHANNEL_PAIR_RULE);
	for (size_t i = 0; i < array_size(keys); i++) {
		struct spot inner;

		if (!is_given(at->value, keys[i]) || !is_given(read, keys[i]))
			continue;
		inner = check_enter_key(c, at->value, keys[i]);
		check_warning(c, &inner,
			      "has no effect beside custom_ffmpeg: the command opens the source");
		check_leave(c, &inner);
	}
}

/* Checks a variant's own options for the source that it plays: its own or the channel's. */
static void check_variant_inputs(struct check *c, const struct spot *at, const json_t *out)
{
	struct spot list = check_enter_key(c, at->value, "adaptive_bitrates");
	const json_t *read = json_object_get(out, "adaptive_bitrates");
	size_t n = json_array_size(read);
	char scratch[32];

	/* if fewer variants were read than written, the indexes differ and errors were reported */
	for (size_t i = 0; n == json_array_size(list.value) && i < n; i++) {
		struct spot variant = check_enter_index(c, list.value, i);
		const json_t *own = json_array_get(read, i);

		if (is_given(own, "custom_ffmpeg"))
			check_beside_command(c, &variant, own);
		else
			config_check_input(c, &variant, own,
					   source_of(is_given(own, "source") ? own : out, scratch));
		check_leave(c, &variant);
	}
	check_leave(c, &list);
}

static void check_channel(struct check *c, const struct spot *at, const json_t *out)
{
	bool command = is_given(at->value, "custom_ffmpeg");
	char scratch[32];

	if (!is_given(at->value, "source") && json_array_size(json_object_get(out, "sources")) == 0)
		check_error(c, at, "'source' is missing");
	if (!command && !is_given(at->value, "ffmpeg_profile"))
		check_error(c, at, "'ffmpeg_profile' or 'custom_ffmpeg' is missing");
	check_profile_name(c, at);
	check_variant_inputs(c, at, out);
	if (command) {
		check_beside_command(c, at, out);
		return;
	}
	config_check_input(c, at, out, source_of(out, scratch));
	check_lavfi(c, at, out);
}

/* Registers the entry's id.  False if an earlier entry has it. */
static bool claim_id(struct check *c, const struct spot *at, const json_t *out,
		     enum problem_severity severity)
{
	const json_t *id = json_object_get(out, "id");
	const char *taken;
	char text[24];
	struct spot inner;

	if (id == NULL)
		return true;
	snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(id));
	taken = json_string_value(json_object_get(c->ids, text));
	if (taken == NULL) {
		if (json_object_set_new(c->ids, text, json_string(c->path.data)) < 0)
			c->out_of_memory = true;
		return true;
	}
	inner = check_enter_key(c, at->value, "id");
	check_add(c, &inner, severity, "%s is already the id of %s%s", text, taken,
		  severity == PROBLEM_WARNING ? ": the entry is left out" : "");
	check_leave(c, &inner);
	return false;
}

static bool finish_stream(struct check *c, const struct spot *at, json_t *out)
{
	check_channel(c, at, out);
	(void)claim_id(c, at, out, PROBLEM_ERROR);
	return true;
}

static bool finish_scheduled(struct check *c, const struct spot *at, json_t *out)
{
	check_channel(c, at, out);
	return config_check_window(c, at, out) && claim_id(c, at, out, PROBLEM_WARNING);
}

static json_t *read_slate(struct check *c, const struct field *f, const struct spot *at)
{
	return json_is_boolean(at->value) ? json_incref(at->value) : value_text(c, f, at);
}

static const struct field variant = {.read = value_section, .section = &variant_section};

static const char *const watches[] = {"media", "content", NULL};

static const struct field stream_fields[] = {
	FIELD("id", value_int, .flags = FIELD_REQUIRED, .max = CHANNEL_ID_MAX),
	FIELD("name", value_text, .flags = FIELD_REQUIRED | FIELD_FILLED),
	FIELD("sources", value_list, .flags = FIELD_SINGLE, .item = &config_check_source_item,
	      .max = CHANNEL_SOURCES_MAX - 1),
	FIELD("slate", read_slate),
	FIELD("cushion", value_seconds, .max = CUSHION_MAX_S),
	FIELD("watch", value_choice, .choices = watches),
	FIELD("ffmpeg_profile", value_text, .flags = FIELD_FILLED),
	FIELD("custom_ffmpeg", config_check_command),
	FIELD("tvg_id", value_text),
	FIELD("tvg_name", value_text),
	FIELD("epg_id", value_text),
	FIELD("logo", value_text),
	FIELD("group", value_text),
	FIELD("channel_number", value_text),
	FIELD("description", value_text),
	FIELD("program_feed", value_text),
	FIELD("next_programs", value_list, .item = &config_check_programme, .max = PROGRAMS_MAX),
	FIELD("regions_allowed", config_check_regions),
	FIELD("regions_blocked", config_check_regions),
	FIELD("adaptive_bitrates", read_variants, .item = &variant, .max = VARIANTS_MAX),
	FIELD("output_format", value_choice, .choices = config_check_forms),
	FIELD("ll_hls", value_bool),
	FIELD("audio_only", value_bool),
	FIELD("hwaccel", value_section, .section = &config_check_hwaccel),
};
static const struct section stream_section = {FIELDS(stream_fields), .base = &config_check_inputs,
					      .finish = finish_stream};

static const struct field window_fields[] = {
	FIELD("schedule", value_section, .section = &config_check_schedule),
};
static const struct section scheduled_section = {FIELDS(window_fields), .base = &stream_section,
						 .finish = finish_scheduled};

static json_t *read_channel(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *channel;

	c->in_channel = true;
	channel = value_section(c, f, at);
	c->in_channel = false;
	return channel;
}

const struct field config_check_stream = {.read = read_channel, .section = &stream_section};
const struct field config_check_scheduled = {.read = read_channel, .section = &scheduled_section};
