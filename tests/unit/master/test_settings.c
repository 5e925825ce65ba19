/* What a reload may change of the settings the master itself uses. */
#include "amps-master/config/settings.h"

#include <string.h>
#include "common/limits.h"
#include "unit.h"

static json_t *server_with(const char *key, json_t *value)
{
	json_t *server =
		json_pack("{s:s, s:i, s:n, s:i, s:i, s:n, s:n, s:s, s:s, s:s, s:s, s:i}", "host",
			  "127.0.0.1", "port", 5000, "rtsp_port", "rtp_port", 0, "workers", 2,
			  "user", "public_url", "state_dir", "/tmp/a", "runtime_dir", "/tmp/b",
			  "log_level", "info", "log_format", "text", "max_viewers", 0);

	if (key)
		json_object_set_new(server, key, value);
	return server;
}

static json_t *model_with(json_t *server, const char *media_root, int media_limit_mb)
{
	return json_pack("{s:o, s:{s:b}, s:s?, s:i}", "server", server, "auth", "enabled", 0,
			 "media_root", media_root, "media_limit_mb", media_limit_mb);
}

static void start(struct settings *s)
{
	char text[128];
	json_t *model = model_with(server_with(NULL, NULL), NULL, 1024);

	cr_assert_eq(settings_read(s, model, text, sizeof(text)), 0);
	json_decref(model);
}

/* The warnings when `key` is reloaded with another value. */
static json_t *reload_with(struct settings *s, const char *key, json_t *value)
{
	json_t *warnings = json_array(), *model = model_with(server_with(key, value), NULL, 1024);

	settings_follow(s, model, warnings);
	json_decref(model);
	return warnings;
}

Test(settings, the_limit_of_segments_follows_and_their_folder_warns)
{
	json_t *warnings = json_array(), *model;
	struct settings s;

	start(&s);
	model = model_with(server_with(NULL, NULL), "/srv/media", 64);
	settings_follow(&s, model, warnings);
	cr_assert_eq(s.media_limit_mb, 64);
	cr_assert_eq(json_array_size(warnings), 1);
	cr_assert_str_eq(json_string_value(json_array_get(warnings, 0)),
			 "media_root has changed; that takes effect at the next start");
	cr_assert_null(s.media_root);
	json_decref(model);
	json_decref(warnings);
	settings_done(&s);
}

static void expect_rtsp(json_t *value, int rtsp, int port)
{
	json_t *model = model_with(server_with("rtsp_port", value), NULL, 1024);
	struct settings s;
	char text[128];

	cr_assert_eq(settings_read(&s, model, text, sizeof(text)), 0);
	cr_expect_eq(s.rtsp, rtsp);
	cr_expect_eq(s.rtsp_port, port);
	json_decref(model);
	settings_done(&s);
}

Test(settings, rtsp_is_off_on_its_usual_port_or_on_one_that_is_chosen)
{
	expect_rtsp(json_null(), RTSP_DEFAULT, RTSP_PORT_DEFAULT);
	expect_rtsp(json_integer(0), RTSP_OFF, 0);
	expect_rtsp(json_integer(554), RTSP_CHOSEN, 554);
	expect_rtsp(json_string("auto"), RTSP_CHOSEN, 0);
}

Test(settings, an_unchanged_file_gives_no_warnings)
{
	struct settings s;
	json_t *warnings;

	start(&s);
	warnings = reload_with(&s, NULL, NULL);
	cr_assert_eq(json_array_size(warnings), 0);
	json_decref(warnings);
	settings_done(&s);
}

Test(settings, keys_of_the_next_start_warn_until_they_are_as_they_were)
{
	static const char *const keys[] = {"host",	"port",	       "rtsp_port",
					   "rtp_port",	"workers",     "user",
					   "state_dir", "runtime_dir", "log_format"};
	struct settings s;

	start(&s);
	for (size_t i = 0; i < array_size(keys); i++) {
		for (int again = 0; again < 2; again++) {
			json_t *warnings = reload_with(&s, keys[i], json_string("other"));

			cr_assert_eq(json_array_size(warnings), 1, "%s", keys[i]);
			cr_assert_not_null(
				strstr(json_string_value(json_array_get(warnings, 0)), keys[i]));
			json_decref(warnings);
		}
	}
	cr_assert_str_eq(s.host, "127.0.0.1");
	cr_assert_eq(s.port, 5000);
	settings_done(&s);
}

Test(settings, log_level_and_public_url_follow_at_once)
{
	struct settings s;
	char url[64];
	json_t *warnings;

	start(&s);
	warnings = reload_with(&s, "log_level", json_string("debug"));
	cr_assert_eq(json_array_size(warnings), 0);
	cr_assert_eq(s.log_level, LOG_DEBUG);
	json_decref(warnings);
	warnings = reload_with(&s, "public_url", json_string("https://tv.example.com"));
	cr_assert_eq(json_array_size(warnings), 0);
	settings_url(&s, 5000, url, sizeof(url));
	cr_assert_str_eq(url, "https://tv.example.com");
	json_decref(warnings);
	warnings = reload_with(&s, NULL, NULL);
	settings_url(&s, 5000, url, sizeof(url));
	cr_assert_str_eq(url, "http://localhost:5000/");
	json_decref(warnings);
	settings_done(&s);
}
