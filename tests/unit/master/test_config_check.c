/* What good configurations become. */
#include "master/config_case.h"

#include <assert.h>
#include <stdio.h>
#include "unit.h"

#include "common/limits.h"

/* `yaml` must pass without a word; the model's value at keys `a` and `b` (NULL: none), or of the
 * first stream for a == "0", must be `expected`. */
static void expect_model(const char *yaml, const char *a, const char *b, const char *expected)
{
	struct config_case c;
	const json_t *value;
	char *text;

	config_case_run(&c, yaml);
	cr_expect_str_eq(c.text.data, "", "%s gave\n%s", yaml, c.text.data);
	value = strcmp(a, "0") == 0 ? json_array_get(json_object_get(c.model, "streams"), 0)
				    : json_object_get(c.model, a);
	value = b != NULL ? json_object_get(value, b) : value;
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	cr_expect_str_eq(text != NULL ? text : "(none)", expected, "%s gave %s", yaml, text);
	free(text);
	config_case_done(&c);
}

#define CHANNEL(more) "streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy, " more "}]\n"

/* The problems of a channel with a variant whose name has so many bytes. */
static void run_variant_name(struct config_case *c, int bytes)
{
	char yaml[VARIANT_NAME_MAX + 256];

	snprintf(yaml, sizeof(yaml),
		 CHANNEL("adaptive_bitrates: [{name: %.*s, ffmpeg_profile: copy}]"), bytes,
		 "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv");
	config_case_run(c, yaml);
}

Test(config_check, a_text_may_be_as_long_as_its_limit)
{
	struct config_case c;

	static_assert(VARIANT_NAME_MAX < 70, "the name of the test is too short");
	run_variant_name(&c, VARIANT_NAME_MAX - 1);
	cr_expect_str_eq(c.text.data, "");
	config_case_done(&c);
	run_variant_name(&c, VARIANT_NAME_MAX);
	cr_expect_not_null(strstr(c.text.data, "is longer than"), "%s", c.text.data);
	config_case_done(&c);
}

Test(config_check, defaults_are_filled_in)
{
	expect_model(
		"", "server", NULL,
		"{\"host\":\"0.0.0.0\",\"port\":5000,\"workers\":0,\"user\":null,"
		"\"rtsp_port\":null,\"rtp_port\":0,"
		"\"public_url\":null,\"trusted_proxies\":[],\"allowed_hosts\":[],\"state_dir\":null,"
		"\"runtime_dir\":null,\"max_viewers\":0,\"log_level\":\"info\","
		"\"log_format\":\"text\",\"access_log\":null}");
	expect_model("auth:\n", "auth", NULL,
		     "{\"enabled\":true,\"token\":null,\"admin_token\":null,\"token_file\":null,"
		     "\"tokens\":[]}");
	expect_model(
		"", "streaming", NULL,
		"{\"idle_timeout\":30.0,\"start_timeout\":15.0,\"stall_timeout\":2.0,"
		"\"allow_private\":false,\"ring_seconds\":10,\"return_after\":10.0,\"max_overlap\":64,\"join_ms\":500,"
		"\"slow_viewer\":\"skip\"}");
	expect_model("", "region", "trust", "[\"query\",\"headers\"]");
	/* as it may stand in a file: `amps config export` writes it */
	expect_model("server: {rtsp_port: AUTO}\n", "server", "rtsp_port", "\"auto\"");
	expect_model("", "limits", NULL, "{\"memory_mb\":0,\"nice\":0}");
	expect_model("", "media_limit_mb", NULL, "1024");
	expect_model("", "media_root", NULL, "null");
	expect_model("", "plugins", NULL, "[]");
	expect_model("streams:\nffmpeg_profiles:\n", "streams", NULL, "[]");
	expect_model("", "profiles", NULL,
		     "{\"copy\":{\"vcodec\":\"copy\",\"acodec\":\"copy\",\"format\":\"mpegts\"}}");
	expect_model("ffmpeg_profiles: {copy: {c: copy}}\n", "profiles", NULL,
		     "{\"copy\":{\"c\":\"copy\"}}");
}

Test(config_check, scalars_are_taken_leniently)
{
	expect_model("server: {port: '8080'}\n", "server", "port", "8080");
	expect_model("server: {workers: AUTO}\n", "server", "workers", "0");
	expect_model("server: {debug: true}\n", "server", "log_level", "\"debug\"");
	expect_model("server: {debug: true, log_level: warn}\n", "server", "log_level",
		     "\"warning\"");
	expect_model("server: {trusted_proxies: 10.0.0.0/8}\n", "server", "trusted_proxies",
		     "[\"10.0.0.0/8\"]");
	expect_model("auth: {enabled: 'no', token: 012345}\n", "auth", "token", "\"012345\"");
	expect_model("auth: {token: ''}\n", "auth", "token", "null");
	expect_model("streaming: {idle_timeout: 2m}\n", "streaming", "idle_timeout", "120.0");
	expect_model("streaming: {stall_timeout: 500ms}\n", "streaming", "stall_timeout", "0.5");
	expect_model("hls: {segment_type: mpegts}\n", "hls", "segment_type", "\"ts\"");
	expect_model(
		"epg: {sources: http://x/g.xml}\n", "epg", "sources",
		"[{\"url\":\"http://x/g.xml\",\"refresh\":21600.0,\"shift\":0.0,\"timezone\":\"UTC\"}]");
	expect_model(CHANNEL("epg_id: 5"), "0", "epg_id", "\"5\"");
	expect_model(CHANNEL("channel_number: 1.10"), "0", "channel_number", "\"1.10\"");
	expect_model(CHANNEL("tvg_name: Yes"), "0", "tvg_name", "\"Yes\"");
	expect_model(CHANNEL("logo: "), "0", "logo", "(none)");
	expect_model(CHANNEL("slate: yes"), "0", "slate", "true");
	expect_model(CHANNEL("slate: soon"), "0", "slate", "\"soon\"");
	expect_model(CHANNEL("cushion: 4s"), "0", "cushion", "4.0");
	expect_model(CHANNEL("watch: content"), "0", "watch", "\"content\"");
}

Test(config_check, regions)
{
	expect_model(CHANNEL("regions_allowed: [NO, us, 'gb']"), "0", "regions_allowed",
		     "[\"NO\",\"US\",\"GB\"]");
	expect_model(CHANNEL("regions_blocked: no"), "0", "regions_blocked", "[\"NO\"]");
	expect_model(CHANNEL("regions_blocked: 'us, ca'"), "0", "regions_blocked",
		     "[\"US\",\"CA\"]");
}

Test(config_check, output_forms)
{
	expect_model(CHANNEL("output_format: websocket"), "0", "output_format", "\"ts\"");
	expect_model(CHANNEL("output_format: LL-HLS"), "0", "output_format", "\"ll-hls\"");
	expect_model(CHANNEL("output_format: hls, ll_hls: true"), "0", "ll_hls", "true");
	expect_model(CHANNEL("hwaccel: vaapi"), "0", "hwaccel", "{\"type\":\"vaapi\"}");
	expect_model(CHANNEL("hwaccel: {type: nvidia, device: 0}"), "0", "hwaccel",
		     "{\"type\":\"nvidia\",\"device\":\"0\"}");
}

Test(config_check, options_stay_as_written)
{
	expect_model("ffmpeg_profiles: {p: {vn: , level: 4.0, r: 25, map: [0:v, 0:a], an: true}}\n",
		     "profiles", "p",
		     "{\"vn\":null,\"level\":\"4.0\",\"r\":25,\"map\":[\"0:v\",\"0:a\"],"
		     "\"an\":true}");
	expect_model("ffmpeg_profiles: {p: }\n", "profiles", "p", "{}");
	expect_model(CHANNEL("input_options: {rtmp_live: live, timeout: 5}"), "0", "input_options",
		     "{\"rtmp_live\":\"live\",\"timeout\":5}");
	expect_model(CHANNEL("input_args: -re -stream_loop -1"), "0", "input_args",
		     "[\"-re\",\"-stream_loop\",\"-1\"]");
	expect_model(CHANNEL("input_args: [-stream_loop, -1]"), "0", "input_args",
		     "[\"-stream_loop\",\"-1\"]");
}

Test(config_check, sources_and_handlers)
{
	expect_model("streams: [{id: 1, name: A, sources: [x, {url: y}], ffmpeg_profile: copy}]\n",
		     "0", "sources", "[\"x\",{\"source\":\"y\"}]");
	expect_model(CHANNEL("source_handler: yt-dlp"), "0", "source_handler",
		     "{\"type\":\"yt_dlp\"}");
	expect_model(CHANNEL("custom_ffmpeg: {command: \"a # don't\", shell: true}"), "0",
		     "custom_ffmpeg", "{\"command\":\"a # don't\",\"shell\":true}");
	expect_model(CHANNEL("source_handler: {type: yt_dlp, options: {retries: 3}}"), "0",
		     "source_handler", "{\"type\":\"yt_dlp\",\"options\":{\"retries\":3}}");
}

#define PAIR "[rtp://239.1.1.1:5000, rtp://239.1.1.2:5000]"
#define LEGS "\"pair\":[\"rtp://239.1.1.1:5000\",\"rtp://239.1.1.2:5000\"]"

Test(config_check, a_source_may_be_two_rtp_legs)
{
	expect_model("streams: [{id: 1, name: A, ffmpeg_profile: copy, source: {pair: " PAIR
		     "}}]\n",
		     "0", "source", "{" LEGS "}");
	expect_model("streams: [{id: 1, name: A, ffmpeg_profile: copy, source: {pair: " PAIR
		     ", window_ms: 50}}]\n",
		     "0", "source", "{" LEGS ",\"window_ms\":50}");
	expect_model(
		CHANNEL("sources: [{pair: " PAIR ", window_ms: 1000}, {source: {pair: " PAIR "}}]"),
		"0", "sources",
		"[{\"source\":{" LEGS ",\"window_ms\":1000}},{\"source\":{" LEGS "}}]");
}

Test(config_check, commands)
{
	expect_model(CHANNEL("custom_ffmpeg: \"ffmpeg -i {source} -metadata 'x={name}' {{}}\""),
		     "0", "custom_ffmpeg", "\"ffmpeg -i {source} -metadata 'x={name}' {{}}\"");
	expect_model(CHANNEL("custom_ffmpeg: [ffmpeg, -i, '{source}', 5]"), "0", "custom_ffmpeg",
		     "[\"ffmpeg\",\"-i\",\"{source}\",\"5\"]");
	expect_model(CHANNEL("custom_ffmpeg: {command: 'a | b', shell: yes, env: {N: 5}}"), "0",
		     "custom_ffmpeg",
		     "{\"command\":\"a | b\",\"shell\":true,\"env\":{\"N\":\"5\"}}");
}

Test(config_check, schedules)
{
	expect_model("scheduled_streams: [{id: 9, name: A, source: x, ffmpeg_profile: copy,\n"
		     " schedule: {start: 2026-01-01T00:00:00Z, end: 2026-01-01T02:00:00+01:00}}]\n",
		     "scheduled_streams", NULL,
		     "[{\"id\":9,\"name\":\"A\",\"source\":\"x\",\"ffmpeg_profile\":\"copy\","
		     "\"schedule\":{\"start\":\"2026-01-01T00:00:00Z\","
		     "\"end\":\"2026-01-01T02:00:00+01:00\"}}]");
	expect_model("scheduled_streams: [{id: 9, name: A, source: x, ffmpeg_profile: copy}]\n",
		     "streams", NULL, "[]");
}

Test(config_check, unknown_keys_of_a_channel_are_kept)
{
	struct config_case c;

	config_case_run(&c, CHANNEL("colour: red"));
	cr_expect_str_eq(c.text.data, "c:1: streams[0].colour: warning: unknown key 'colour'\n");
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(json_object_get(c.model, "streams"), 0), "colour")),
			 "red");
	config_case_done(&c);
}

Test(config_check, entries_that_cannot_run_are_left_out)
{
	struct config_case c;

	config_case_run(&c, "scheduled_streams:\n"
			    "- {id: 1, name: A, source: x, ffmpeg_profile: copy,"
			    " schedule: {end: never}}\n"
			    "- {id: 1, name: B, source: x, ffmpeg_profile: copy}\n"
			    "- {id: 1, name: C, source: x, ffmpeg_profile: copy}\n");
	cr_assert_not_null(c.model);
	cr_expect_eq(json_array_size(json_object_get(c.model, "scheduled_streams")), 1);
	cr_expect_str_eq(c.text.data,
			 "c:2: scheduled_streams[0].schedule.end: warning: 'never' is not a time "
			 "like 2026-01-31T18:00:00Z: the entry is left out\n"
			 "c:4: scheduled_streams[2].id: warning: 1 is already the id of "
			 "scheduled_streams[1]: the entry is left out\n");
	config_case_done(&c);
}

Test(config_check, lavfi_needs_encoders_in_variants_too)
{
	struct config_case c;

	config_case_run(&c, "ffmpeg_profiles: {x: {vcodec: libx264}}\n"
			    "streams:\n"
			    "- id: 1\n"
			    "  name: A\n"
			    "  source: testsrc\n"
			    "  ffmpeg_profile: x\n"
			    "  input_options: {f: lavfi}\n"
			    "  adaptive_bitrates:\n"
			    "  - {name: a, ffmpeg_profile: x}\n"
			    "  - {name: b, ffmpeg_profile: copy}\n"
			    "  - {name: c, ffmpeg_profile: copy, input_options: {}}\n");
	cr_expect_str_eq(
		c.text.data,
		"c:10: streams[0].adaptive_bitrates[1].ffmpeg_profile: 'copy' cannot carry "
		"a lavfi source, which is raw: choose a profile with encoders\n");
	config_case_done(&c);
}

/* The tree an API call would give: typed values, no lines. */
Test(config_check, trees_without_lines_are_checked_alike)
{
	struct problems problems;
	struct buf text = BUF_INIT;
	json_t *model = NULL;
	json_t *tree = json_loads("{\"streams\":[{\"id\":1,\"name\":true,\"source\":\"x\","
				  "\"epg_id\":5,\"ffmpeg_profile\":\"cpoy\"}]}",
				  0, NULL);

	cr_assert_eq(problems_init(&problems), 0);
	cr_expect_eq(config_check(tree, "request", NULL, NULL, &problems, &model), -EINVAL);
	problems_format(&problems, &text);
	cr_expect_str_eq(text.data, "request: streams[0].name: must be text, not true\n"
				    "request: streams[0].ffmpeg_profile: unknown profile 'cpoy' "
				    "(did you mean 'copy'?)\n");
	json_decref(tree);
	buf_done(&text);
	problems_done(&problems);
}
