#include "amps-master/lineup/channel_rules.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "amps-master/util/json.h"
#include "amps-master/lineup/command_spec.h"
#include "amps-master/lineup/options_list.h"
#include "amps-master/lineup/yt_dlp.h"
#include "common/defaults.h"
#include "common/text/text.h"

/* What a variant may override beside its profile. */
static const char *const tuner_overrides[] = {
	"custom_ffmpeg", "source",	  "input_options", "input_args", "source_handler",
	"use_yt_dlp",	 "yt_dlp_format", "interface",	   "proxy",
};

/* The built-in profile.  NULL without memory. */
static json_t *copy_profile(void)
{
	return json_pack("{ssssss}", "vcodec", "copy", "acodec", "copy", "format", "mpegts");
}

int channel_profiles_complete(json_t *settings)
{
	json_t *profiles = json_object_get(settings, "profiles"), *copy;

	if (!json_is_object(profiles)) {
		profiles = json_object();
		if (profiles == NULL || json_object_set_new(settings, "profiles", profiles) < 0)
			return -ENOMEM;
	}
	if (json_is_object(json_object_get(profiles, "copy")))
		return 0;
	copy = copy_profile();
	if (copy == NULL || json_object_set_new(profiles, "copy", copy) < 0)
		return -ENOMEM;
	return 0;
}

/* The profile an entry names; NULL: it names none that exists. */
static const json_t *find_profile(const json_t *settings, const json_t *entry)
{
	char scratch[32];
	const char *name = json_read_text(entry, "ffmpeg_profile", scratch);
	const json_t *profile;

	if (name == NULL)
		return NULL;
	profile = json_object_get(json_object_get(settings, "profiles"), name);
	return json_is_object(profile) ? profile : NULL;
}

/* A pair is received as it is: one of the item's own takes no command or page from the channel, and
 * a command of the item's own gets the first leg of the channel's pair.  False without memory. */
static bool settle_pair(json_t *both, const json_t *item)
{
	static const char *const others[] = {"custom_ffmpeg", "use_yt_dlp", "source_handler"};
	const json_t *pair = json_object_get(json_object_get(both, "source"), "pair");

	if (pair == NULL)
		return true;
	for (size_t i = 0; json_read_has(item, "source") && i < array_size(others); i++)
		if (!json_read_has(item, others[i]))
			json_object_del(both, others[i]);
	if (json_read_has(item, "source") || !json_read_has(item, "custom_ffmpeg"))
		return true;
	return json_object_set(both, "source", json_array_get(pair, 0)) == 0;
}

json_t *channel_with_variant(const json_t *entry, const json_t *variant)
{
	json_t *both = json_copy((json_t *)entry);
	bool failed = both == NULL;

	if (!failed && json_read_has(variant, "ffmpeg_profile"))
		failed = json_object_set(both, "ffmpeg_profile",
					 json_object_get(variant, "ffmpeg_profile")) < 0;
	for (size_t i = 0; !failed && i < array_size(tuner_overrides); i++)
		if (json_read_has(variant, tuner_overrides[i]))
			failed = json_object_set(both, tuner_overrides[i],
						 json_object_get(variant, tuner_overrides[i])) < 0;
	failed = failed || !settle_pair(both, variant);
	if (failed) {
		json_decref(both);
		return NULL;
	}
	/* its own source has none of the channel's alternatives */
	if (json_read_has(variant, "source"))
		json_object_del(both, "sources");
	return both;
}

bool channel_variant_own_tuner(const json_t *variant)
{
	for (size_t i = 0; i < array_size(tuner_overrides); i++)
		if (json_read_has(variant, tuner_overrides[i]))
			return true;
	return false;
}

/* The channel's value takes precedence over the profile's. */
static bool either_bool(const json_t *entry, const json_t *profile, const char *key)
{
	return json_read_bool(entry, key, json_read_bool(profile, key, false));
}

/* The words of output_format and of a profile's `format`. */
static bool form_parse(const char *word, enum form *ret)
{
	static const struct {
		const char *word;
		enum form form;
	} words[] = {
		{"ts", FORM_TS},	 {"mpegts", FORM_TS}, {"websocket", FORM_TS},
		{"hls", FORM_HLS},	 {"dash", FORM_DASH}, {"ll-hls", FORM_LL_HLS},
		{"ll_hls", FORM_LL_HLS}, {"rtsp", FORM_RTSP}, {"audio", FORM_AUDIO},
		{"adts", FORM_AUDIO},	 {"mse", FORM_MSE},   {"mp4", FORM_MSE},
	};

	for (size_t i = 0; word != NULL && i < array_size(words); i++)
		if (strcasecmp(words[i].word, word) == 0) {
			*ret = words[i].form;
			return true;
		}
	return false;
}

enum form channel_form(const json_t *entry, const json_t *profile)
{
	char scratch[32];
	enum form form = FORM_TS;

	if (!form_parse(json_read_text(entry, "output_format", scratch), &form) &&
	    !form_parse(json_read_text(profile, "output_format", scratch), &form) &&
	    !form_parse(json_read_text(profile, "format", scratch), &form) &&
	    !form_parse(json_read_text(profile, "f", scratch), &form) &&
	    either_bool(entry, profile, "audio_only"))
		form = FORM_AUDIO;
	if (form == FORM_HLS && either_bool(entry, profile, "ll_hls"))
		form = FORM_LL_HLS;
	return form;
}

static bool text_is(const json_t *value, const char *word)
{
	return json_is_string(value) && strcmp(json_string_value(value), word) == 0;
}

bool channel_has_command(const json_t *entry)
{
	return json_read_has(entry, "custom_ffmpeg");
}

bool channel_is_lavfi(const json_t *entry)
{
	const json_t *options = json_object_get(entry, "input_options");
	const json_t *args = json_object_get(entry, "input_args");
	size_t n = json_array_size(args);

	if (channel_has_command(entry))
		return false;
	if (text_is(json_object_get(options, "f"), "lavfi") ||
	    text_is(json_object_get(options, "format"), "lavfi"))
		return true;
	for (size_t i = 0; i + 1 < n; i++)
		if (text_is(json_array_get(args, i), "-f") &&
		    text_is(json_array_get(args, i + 1), "lavfi"))
			return true;
	return false;
}

/* Length of the scheme in front of "://" (or of "file:"), 0 for a path. */
static size_t scheme_length(const char *source)
{
	size_t n =
		strspn(source, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	if (strncmp(source + n, "://", 3) == 0)
		return n;
	return strncmp(source, "file:", 5) == 0 ? 4 : 0;
}

bool channel_source_wrong(const char *source, char *text, size_t cap)
{
	static const char *const known[] = {
		"file", "http",	 "https", "udp",  "udplite", "rtp",    "rtsp", "rtsps",
		"rtmp", "rtmps", "rtmpt", "mmsh", "rtmpts",  "srt",    "rist", "mmst",
		"tcp",	"tls",	 "ftp",	  "sctp", "gopher",  "gophers"};
	size_t n = scheme_length(source);
	const char *host = source + n + 3, *near;
	char scheme[32];

	snprintf(scheme, sizeof(scheme), "%.*s", (int)MIN(n, sizeof(scheme)), source);
	for (size_t i = 0; i < array_size(known); i++) {
		if (n > 0 && strcasecmp(scheme, known[i]) != 0)
			continue;
		if (n == 0 || i == 0 || (*host != '\0' && *host != '/'))
			return false;
		snprintf(text, cap, "this source names no host");
		return true;
	}
	near = text_suggest(scheme, known, array_size(known));
	snprintf(text, cap, "sources of the kind %s:// are not known%s%s%s", scheme,
		 near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	return true;
}

/* The option of libav by which a key of the source is followed, and for which schemes. */
static const struct way {
	const char *key, *option, *schemes[3];
} ways[] = {
	{"interface", "localaddr", {"udp", "rtp"}},
	{"proxy", "http_proxy", {"http", "https"}},
};

static bool way_applies(const struct way *w, const char *source)
{
	size_t n = scheme_length(source);

	for (size_t i = 0; i < array_size(w->schemes) && w->schemes[i] != NULL; i++)
		if (n == strlen(w->schemes[i]) && strncasecmp(source, w->schemes[i], n) == 0)
			return true;
	return false;
}

bool channel_way_wrong(const char *key, const char *source, char *text, size_t cap)
{
	for (size_t i = 0; i < array_size(ways); i++) {
		const struct way *w = &ways[i];

		if (strcmp(key, w->key) != 0 || way_applies(w, source))
			continue;
		snprintf(text, cap,
			 "has no effect on this source, only on those of %s:// and %s://",
			 w->schemes[0], w->schemes[1]);
		return true;
	}
	return false;
}

json_t *channel_input_options(const json_t *entry)
{
	json_t *list = options_list(json_object_get(entry, "input_options"));
	char scratch[32], source_scratch[32];
	const char *source = channel_source(entry, source_scratch);
	bool failed = false;

	for (size_t i = 0; list != NULL && source != NULL && i < array_size(ways); i++) {
		const char *value = json_read_text(entry, ways[i].key, scratch);

		/* in front: an option that was written out comes later and counts */
		if (value != NULL && *value != '\0' && way_applies(&ways[i], source))
			failed |= json_array_insert_new(
					  list, 0, json_pack("[ss]", ways[i].option, value)) < 0;
	}
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

const char *channel_source(const json_t *entry, char scratch[32])
{
	const json_t *pair = json_object_get(json_object_get(entry, "source"), "pair");

	return pair != NULL ? json_string_value(json_array_get(pair, 0))
			    : json_read_text(entry, "source", scratch);
}

const char *channel_source_pair(const json_t *entry, uint32_t *ret_window_ms)
{
	const json_t *source = json_object_get(entry, "source");
	const char *second = json_string_value(json_array_get(json_object_get(source, "pair"), 1));

	if (second != NULL)
		*ret_window_ms = json_read_u32(source, "window_ms", PAIR_WINDOW_MS);
	return second;
}

bool channel_pair_wrong(const json_t *entry)
{
	return json_is_object(json_object_get(entry, "source")) &&
	       (channel_has_command(entry) || channel_is_lavfi(entry) || yt_dlp_wanted(entry));
}

static bool source_unavailable(const json_t *entry, char *text, size_t cap)
{
	char scratch[32];
	const char *source = channel_source(entry, scratch);

	if (source != NULL)
		return yt_dlp_wanted(entry) ? yt_dlp_page_wrong(source, text, cap)
					    : channel_source_wrong(source, text, cap);
	snprintf(text, cap, "this channel has no source");
	return true;
}

/* Why this entry, with one source, cannot play in this version: a sentence for an error body in
 * `text`.  Returns false when it can. */
static bool unavailable(const json_t *entry, char *text, size_t cap)
{
	if (channel_pair_wrong(entry)) {
		snprintf(text, cap, "%s", CHANNEL_PAIR_RULE);
		return true;
	}
	if (json_read_has(entry, "source") || !json_read_has(entry, "slate"))
		return !channel_has_command(entry) && !channel_is_lavfi(entry) &&
		       source_unavailable(entry, text, cap);
	snprintf(text, cap,
		 "this channel has no source, and a slate is shown only in place of one");
	return true;
}

/* Is the key something other than an option of a codec? */
static bool key_is_amps(const char *key)
{
	return (options_list_key(key) & (KEY_OWN | KEY_FORM)) != 0;
}

bool channel_profile_copies(const json_t *profile)
{
	bool named = false;
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)profile, key, value) {
		if ((options_list_key(key) & (KEY_VIDEO | KEY_AUDIO)) == 0 ||
		    !json_is_string(value))
			continue;
		if (!text_is(value, "copy"))
			return false;
		named = true;
	}
	return named;
}

bool channel_profile_plain(const json_t *profile, bool audio_only)
{
	unsigned copied = 0;
	const char *key;
	json_t *value;

	if (audio_only)
		return false;
	json_object_foreach ((json_t *)profile, key, value) {
		unsigned flags = options_list_key(key);

		if (key_is_amps(key))
			continue;
		if ((flags & KEY_CODEC) == 0 || !text_is(value, "copy"))
			return false;
		copied |= flags;
	}
	/* a kind that is not named would be encoded by default */
	return (copied & KEY_VIDEO) && (copied & KEY_AUDIO);
}

/* The options of `kept`, with these flags switched on whatever `kept` says; takes `kept`. */
static json_t *options_with(json_t *kept, bool failed, const char *const *flags, size_t count)
{
	json_t *list;

	for (size_t i = 0; !failed && i < count; i++)
		failed = json_object_set_new(kept, flags[i], json_null()) < 0;
	list = failed ? NULL : options_list(kept);
	json_decref(kept);
	return list;
}

json_t *channel_profile_options(const json_t *profile, bool audio_only)
{
	json_t *kept = json_object();
	const char *key;
	json_t *value;
	bool failed = kept == NULL;

	json_object_foreach ((json_t *)profile, key, value) {
		if (!failed && !key_is_amps(key))
			failed = json_object_set(kept, key, value) < 0;
	}
	return options_with(kept, failed, (const char *const[]){"vn"}, audio_only);
}

json_t *channel_sound_options(const json_t *profile)
{
	json_t *kept = json_object();
	const char *key;
	json_t *value;
	bool failed = kept == NULL, encoded = false;

	json_object_foreach ((json_t *)profile, key, value)
		encoded = encoded || options_list_key(key) & KEY_ENCODES;
	json_object_foreach ((json_t *)profile, key, value) {
		unsigned flags = options_list_key(key);
		bool copies = flags & KEY_CODEC && text_is(value, "copy");

		if (!failed && flags & KEY_SOUND && !(copies && encoded))
			failed = json_object_set(kept, key, value) < 0;
	}
	return options_with(kept, failed, (const char *const[]){"vn", "sn"}, 2);
}

bool channel_sound_is_mp3(const json_t *profile)
{
	static const char *const encoders[] = {"libmp3lame", "libshine", "mp3"};
	const char *key;
	json_t *value;
	bool mp3 = false;

	json_object_foreach ((json_t *)(uintptr_t)profile, key, value) {
		unsigned flags = options_list_key(key);

		if (!(flags & KEY_CODEC && flags & KEY_AUDIO))
			continue;
		mp3 = false;
		for (size_t i = 0; i < array_size(encoders); i++)
			mp3 = mp3 || text_is(value, encoders[i]);
	}
	return mp3;
}

json_t *channel_hwaccel(const json_t *entry, const json_t *profile)
{
	const json_t *hwaccel =
		json_object_get(json_read_has(entry, "hwaccel") ? entry : profile, "hwaccel");
	char type[32], device[32];

	if (hwaccel == NULL)
		return NULL;
	return json_pack("{ss* ss* sb}", "type", json_read_text(hwaccel, "type", type), "device",
			 json_read_text(hwaccel, "device", device), "fallback",
			 json_read_bool(hwaccel, "fallback", false));
}

/* The first of the two keys that is there, as milliseconds. */
static uint32_t either_ms(const json_t *profile, const char *key, const char *other,
			  uint32_t absent)
{
	return json_read_seconds_ms(profile, json_read_has(profile, key) ? key : other, absent);
}

struct channel_segments channel_segments(const json_t *settings, const json_t *profile,
					 uint32_t track)
{
	const json_t *hls = json_object_get(settings, "hls");
	struct channel_segments s = {.track = (uint8_t)track};
	uint32_t ms = json_read_seconds_ms(hls, "segment_seconds", 1000 * DEFAULT_SEGMENT_S);
	uint32_t listed = json_read_u32(
		profile, json_read_has(profile, "hls_list_size") ? "hls_list_size" : "window_size",
		0);

	s.segment_ms = MAX(either_ms(profile, "hls_time", "seg_duration", ms), SEGMENT_MS_MIN);
	s.keep_ms = json_read_seconds_ms(hls, "playlist_seconds", 1000 * DEFAULT_PLAYLIST_S);
	s.dash_ms = json_read_seconds_ms(json_object_get(settings, "dash"), "window_seconds",
					 1000 * DEFAULT_DASH_WINDOW_S);
	if (listed > 0)
		s.keep_ms = s.dash_ms = MIN(listed, PLAYLIST_SEGMENTS_MAX) * s.segment_ms;
	s.keep_ms = MAX(s.keep_ms, PLAYLIST_SEGMENTS_MIN * s.segment_ms);
	s.dash_ms = MAX(s.dash_ms, PLAYLIST_SEGMENTS_MIN * s.segment_ms);
	s.window_ms = MAX(MAX(s.keep_ms, s.dash_ms), json_read_seconds_ms(hls, "dvr_seconds", 0));
	s.part_ms = (uint16_t)MIN(json_read_u32(hls, "part_ms", DEFAULT_PART_MS), UINT16_MAX);
	return s;
}

/* Beside a command the profile says nothing but the form, except in a variant that names a profile
 * for the command of its channel. */
static bool command_is_encoded(const struct channel_view *v)
{
	return v->variant != NULL && json_read_has(v->variant, "ffmpeg_profile") &&
	       !channel_has_command(v->variant);
}

/* The job's command of an entry that has one.  0, also if it cannot run (then `text` says why), or
 * -ENOMEM. */
static int entry_command(const json_t *entry, uint32_t id, json_t **ret, char *text, size_t cap)
{
	char source[32], name[32], number[16];
	struct command_values values = {{
		[COMMAND_SOURCE] = channel_source(entry, source),
		[COMMAND_ID] = number,
		[COMMAND_NAME] = json_read_text(entry, "name", name),
	}};
	int r;

	snprintf(number, sizeof(number), "%u", id);
	for (size_t i = 0; i < array_size(values.text); i++)
		if (values.text[i] == NULL)
			values.text[i] = "";
	r = command_spec(json_object_get(entry, "custom_ffmpeg"), &values, ret, text, cap);
	return r == -EINVAL ? 0 : r;
}

json_t *channel_with_source(const json_t *entry, const json_t *item)
{
	json_t *both = json_copy((json_t *)(uintptr_t)entry);
	bool failed = both == NULL;

	if (!failed && json_is_object(item)) {
		for (size_t i = 0; !failed && i < array_size(tuner_overrides); i++)
			if (json_read_has(item, tuner_overrides[i]))
				failed = json_object_set(
						 both, tuner_overrides[i],
						 json_object_get(item, tuner_overrides[i])) < 0;
		failed = failed || !settle_pair(both, item);
		/* the channel's source may be a page, and this one an address */
		if (!failed && json_is_false(json_object_get(item, "use_yt_dlp")) &&
		    !json_read_has(item, "source_handler"))
			json_object_del(both, "source_handler");
	} else if (!failed) {
		failed = json_object_set(both, "source", (json_t *)(uintptr_t)item) < 0;
	}
	if (failed) {
		json_decref(both);
		return NULL;
	}
	json_object_del(both, "sources");
	return both;
}

/* Adds a source that can play, or else notes the first one's reason.  Takes `entry`. */
static int view_add_source(struct channel_view *v, json_t *entry, uint32_t id)
{
	char text[ERROR_TEXT_MAX] = "";
	json_t *command = NULL;
	int r = entry != NULL ? 0 : -ENOMEM;

	if (r == 0 && !unavailable(entry, text, sizeof(text)) && channel_has_command(entry))
		r = entry_command(entry, id, &command, text, sizeof(text));
	if (r == 0 && text[0] == '\0' &&
	    json_array_append_new(v->sources,
				  json_pack("{sO so*}", "entry", entry, "command", command)) < 0)
		r = -ENOMEM;
	if (r == 0 && v->unavailable[0] == '\0')
		text_copy(v->unavailable, sizeof(v->unavailable), text);
	json_decref(entry);
	return r;
}

/* The channel can play if one of its sources can. */
static int view_sources(struct channel_view *v, uint32_t id)
{
	const json_t *others = json_object_get(v->entry, "sources");
	bool own = json_read_has(v->entry, "source") || json_array_size(others) == 0;
	json_t *item;
	size_t i;
	int r = 0;

	v->sources = json_array();
	if (v->sources == NULL)
		return -ENOMEM;
	if (own)
		r = view_add_source(v, json_incref(v->entry), id);
	json_array_foreach (others, i, item)
		if (r == 0)
			r = view_add_source(v, channel_with_source(v->entry, item), id);
	if (r < 0)
		return r;
	if (json_array_size(v->sources) > 0) {
		v->unavailable[0] = '\0';
		return 0;
	}
	assert(v->unavailable[0] != '\0');
	return json_array_append_new(v->sources, json_pack("{sO}", "entry", v->entry));
}

static int view_fill(struct channel_view *v, const json_t *settings, uint32_t id)
{
	bool command = channel_has_command(v->entry);
	const json_t *profile = find_profile(settings, v->entry);
	int r;

	v->form = channel_form(v->entry, profile);
	v->encoding =
		command && !command_is_encoded(v) ? copy_profile() : json_incref((json_t *)profile);
	if (v->encoding == NULL && command && !command_is_encoded(v))
		return -ENOMEM;
	v->audio_only = either_bool(v->entry, v->encoding, "audio_only");
	v->unavailable[0] = '\0';
	r = view_sources(v, id);
	if (r == 0 && v->encoding == NULL)
		snprintf(v->unavailable, sizeof(v->unavailable), "%s",
			 "this channel names no profile that exists");
	return r < 0 ? -ENOMEM : 0;
}

int channel_views_make(const json_t *settings, uint32_t id, json_t *definition,
		       struct channel_views *ret)
{
	int r;

	size_t i;
	json_t *variant;

	ret->count = 1;
	ret->views[0] = (struct channel_view){.name = "", .entry = json_incref(definition)};
	r = view_fill(&ret->views[0], settings, id);
	json_array_foreach (json_object_get(definition, "adaptive_bitrates"), i, variant) {
		struct channel_view *v = &ret->views[ret->count];

		if (r < 0 || ret->count == array_size(ret->views))
			break;
		*v = (struct channel_view){.variant = variant};
		v->name = json_read_text(variant, "name", v->scratch);
		if (v->name == NULL || strlen(v->name) > VARIANT_NAME_MAX)
			continue;
		v->entry = channel_with_variant(definition, variant);
		if (v->entry == NULL) {
			channel_views_done(ret);
			return -ENOMEM;
		}
		v->own_tuner = channel_variant_own_tuner(variant);
		ret->count++;
		r = view_fill(v, settings, id);
	}
	if (r < 0)
		channel_views_done(ret);
	return r;
}

void channel_views_done(struct channel_views *v)
{
	assert(v->count <= array_size(v->views));
	for (size_t i = 0; i < v->count; i++) {
		json_decref(v->views[i].entry);
		json_decref(v->views[i].encoding);
		json_decref(v->views[i].sources);
	}
	v->count = 0;
}
