/* Every key of a configuration with a value of the wrong kind: one problem, at its place. */
#include "master/config_case.h"

#include <stdio.h>
#include "unit.h"

/* A place in a configuration: %s is the value; `path` is where the problem must be. */
struct place {
	const char *yaml;
	const char *path;
};

#define KEY(section, key)                                                                          \
	{                                                                                          \
		section ":\n  " key ": %s\n", section "." key                                      \
	}
#define TOP(key)                                                                                   \
	{                                                                                          \
		key ": %s\n", key                                                                  \
	}
#define TOKEN(key)                                                                                 \
	{                                                                                          \
		"auth: {tokens: [{token: t, " key ": %s}]}\n", "auth.tokens[0]." key               \
	}
#define CHANNEL(key)                                                                                 \
	{                                                                                            \
		"streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy, custom_ffmpeg: c, " key \
		": %s}]\n",                                                                          \
			"streams[0]." key                                                            \
	}
#define VARIANT(key)                                                                                      \
	{                                                                                                 \
		"streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy, adaptive_bitrates: [{name: " \
		"v, " key ": %s}]}]\n",                                                                   \
			"streams[0].adaptive_bitrates[0]." key                                            \
	}
#define PROFILE(key)                                                                               \
	{                                                                                          \
		"ffmpeg_profiles: {p: {" key ": %s}}\n", "ffmpeg_profiles.p." key                  \
	}
#define INSIDE(outer, key)                                                                         \
	{                                                                                          \
		"streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy, " outer ": {" key     \
		": %s}}]\n",                                                                       \
			"streams[0]." outer "." key                                                \
	}

/* Neither a list nor a mapping may stand here. */
static const struct place scalars[] = {
	TOP("media_root"),
	TOP("media_limit_mb"),
	TOP("yt_dlp_path"),
	KEY("server", "host"),
	KEY("server", "port"),
	KEY("server", "workers"),
	KEY("server", "rtsp_port"),
	KEY("server", "rtp_port"),
	KEY("server", "public_url"),
	KEY("server", "state_dir"),
	KEY("server", "runtime_dir"),
	KEY("server", "max_viewers"),
	KEY("server", "log_level"),
	KEY("server", "log_format"),
	KEY("server", "access_log"),
	KEY("region", "geoip"),
	KEY("hooks", "channel_started"),
	KEY("hooks", "channel_failed"),
	KEY("hooks", "channel_recovered"),
	KEY("hooks", "viewer_started"),
	KEY("hooks", "viewer_ended"),
	KEY("server", "user"),
	KEY("server", "debug"),
	KEY("auth", "enabled"),
	KEY("auth", "token"),
	KEY("auth", "admin_token"),
	KEY("auth", "token_file"),
	TOKEN("name"),
	TOKEN("role"),
	TOKEN("max_viewers"),
	TOKEN("expires"),
	KEY("streaming", "idle_timeout"),
	KEY("streaming", "start_timeout"),
	KEY("streaming", "stall_timeout"),
	KEY("streaming", "allow_private"),
	KEY("streaming", "ring_seconds"),
	KEY("streaming", "return_after"),
	KEY("streaming", "max_overlap"),
	KEY("streaming", "join_ms"),
	KEY("streaming", "slow_viewer"),
	KEY("hls", "segment_seconds"),
	KEY("hls", "part_ms"),
	KEY("hls", "playlist_seconds"),
	KEY("hls", "dvr_seconds"),
	KEY("hls", "segment_type"),
	KEY("dash", "segment_seconds"),
	KEY("dash", "window_seconds"),
	KEY("epg", "keep_days"),
	KEY("epg", "past_days"),
	{"epg: {sources: [{path: x, refresh: %s}]}\n", "epg.sources[0].refresh"},
	{"epg: {sources: [{path: x, shift: %s}]}\n", "epg.sources[0].shift"},
	KEY("limits", "memory_mb"),
	KEY("limits", "nice"),
	CHANNEL("tvg_id"),
	CHANNEL("tvg_name"),
	CHANNEL("epg_id"),
	CHANNEL("logo"),
	CHANNEL("group"),
	CHANNEL("channel_number"),
	CHANNEL("description"),
	CHANNEL("program_feed"),
	CHANNEL("slate"),
	CHANNEL("cushion"),
	CHANNEL("watch"),
	CHANNEL("use_yt_dlp"),
	CHANNEL("yt_dlp_format"),
	CHANNEL("interface"),
	CHANNEL("proxy"),
	CHANNEL("output_format"),
	CHANNEL("ll_hls"),
	CHANNEL("audio_only"),
	VARIANT("label"),
	VARIANT("ffmpeg_profile"),
	VARIANT("use_yt_dlp"),
	VARIANT("yt_dlp_format"),
	VARIANT("interface"),
	VARIANT("proxy"),
	PROFILE("output_format"),
	PROFILE("ll_hls"),
	PROFILE("audio_only"),
	PROFILE("format"),
	PROFILE("hls_time"),
	PROFILE("hls_list_size"),
	PROFILE("seg_duration"),
	PROFILE("window_size"),
	INSIDE("hwaccel", "type"),
	{"ffmpeg_profiles: {p: {hwaccel: {type: vaapi, fallback: %s}}}\n",
	 "ffmpeg_profiles.p.hwaccel.fallback"},
	INSIDE("source_handler", "type"),
	INSIDE("source_handler", "format"),
	{"streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy, next_programs: [{title: T, "
	 "start: %s}]}]\n",
	 "streams[0].next_programs[0].start"},
};

/* A mapping must stand here: neither a number nor a list. */
static const struct place mappings[] = {
	TOP("server"),
	TOP("auth"),
	TOP("streaming"),
	TOP("hls"),
	TOP("dash"),
	TOP("epg"),
	TOP("limits"),
	TOP("region"),
	TOP("hooks"),
	TOP("ffmpeg_profiles"),
	KEY("ffmpeg_profiles", "p"),
	{"auth: {tokens: [%s]}\n", "auth.tokens[0]"},
	{"streams: [%s]\n", "streams[0]"},
	CHANNEL("input_options"),
	CHANNEL("hwaccel"),
	VARIANT("input_options"),
	INSIDE("source_handler", "options"),
	{"scheduled_streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy, schedule: %s}]\n",
	 "scheduled_streams[0].schedule"},
};

/* A list must stand here: no mapping. */
static const struct place lists[] = {
	KEY("server", "trusted_proxies"),
	KEY("auth", "tokens"),
	TOKEN("groups"),
	KEY("epg", "sources"),
	KEY("region", "trust"),
	TOP("streams"),
	TOP("scheduled_streams"),
	CHANNEL("sources"),
	CHANNEL("next_programs"),
	CHANNEL("regions_allowed"),
	CHANNEL("regions_blocked"),
	CHANNEL("adaptive_bitrates"),
	CHANNEL("input_args"),
	VARIANT("input_args"),
};

static const char *lines_behind(const char *text)
{
	const char *end = strchr(text, '\n');

	return end != NULL ? end + 1 : "no line at all";
}

/* One error at the place, and that it says what it found. */
static void expect_one(const struct place *place, const char *value, const char *found)
{
	struct config_case c;
	char yaml[512], begin[256];

	snprintf(yaml, sizeof(yaml), place->yaml, value);
	snprintf(begin, sizeof(begin), "%s: must be ", place->path);
	config_case_run(&c, yaml);
	cr_expect_eq(c.problems.errors, 1, "%s gave\n%s", yaml, c.text.data);
	cr_expect(strstr(c.text.data, begin) != NULL, "%s gave\n%s", yaml, c.text.data);
	cr_expect(strstr(c.text.data, found) != NULL, "%s gave\n%s", yaml, c.text.data);
	cr_expect_str_eq(lines_behind(c.text.data), "", "%s gave\n%s", yaml, c.text.data);
	cr_expect_null(c.model);
	config_case_done(&c);
}

Test(config_types, no_list_and_no_mapping_where_one_value_belongs)
{
	for (size_t i = 0; i < array_size(scalars); i++) {
		expect_one(&scalars[i], "[1, 2]", ", not a list\n");
		expect_one(&scalars[i], "{a: b}", ", not a mapping\n");
	}
}

Test(config_types, no_value_and_no_list_where_a_mapping_belongs)
{
	for (size_t i = 0; i < array_size(mappings); i++) {
		expect_one(&mappings[i], "5", ", not 5\n");
		expect_one(&mappings[i], "[a]", ", not a list\n");
	}
}

Test(config_types, no_mapping_where_a_list_belongs)
{
	for (size_t i = 0; i < array_size(lists); i++)
		expect_one(&lists[i], "{a: b}", ", not a mapping\n");
}
