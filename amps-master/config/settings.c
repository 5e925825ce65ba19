#include "amps-master/config/settings.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/system/runtime_dir.h"
#include "common/limits.h"
#include "common/text/text.h"

static unsigned count_cores(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n > 0 ? (unsigned)n : 1;
}

static const char *string_of(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && text[0] ? text : otherwise;
}

/* Makes paths absolute, so that they mean the same to every process and client. */
static int read_folder(const json_t *server, const char *key,
		       int (*otherwise)(char *dst, size_t cap), char *dst)
{
	const char *path = string_of(server, key, NULL);
	char cwd[PATH_MAX / 2];
	int n;

	if (!path)
		return otherwise(dst, PATH_MAX);
	if (path[0] == '/')
		return text_copy(dst, PATH_MAX, path) ? 0 : -ENAMETOOLONG;
	if (!getcwd(cwd, sizeof(cwd)))
		return -errno;
	n = snprintf(dst, PATH_MAX, "%s/%s", cwd, path);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int no_folder(char *dst, size_t cap)
{
	return text_copy(dst, cap, "") ? 0 : -ENAMETOOLONG;
}

static uint64_t read_limit(const json_t *model)
{
	return (uint64_t)json_integer_value(json_object_get(model, "media_limit_mb"));
}

static const char *describe_token(const json_t *auth)
{
	if (string_of(auth, "token", NULL))
		return "the token is in the configuration";
	if (string_of(auth, "token_file", NULL))
		return "the token is in auth.token_file";
	return NULL;
}

/* The settings that a reload changes. */
static void follow_live(struct settings *s, const json_t *server)
{
	if (log_parse_level(string_of(server, "log_level", "info"), &s->log_level) != 0)
		s->log_level = LOG_INFO;
	json_decref(s->public_url);
	s->public_url = json_incref(json_object_get(server, "public_url"));
	json_decref(s->access_log);
	s->access_log = json_incref(json_object_get(server, "access_log"));
}

static void warn_later(json_t *warnings, const char *section, const char *key)
{
	json_array_append_new(warnings,
			      json_sprintf("%s%s has changed; that takes effect at the next start",
					   section, key));
}

/* The limit takes effect at once; the folder cannot, because every process has it open. */
static void follow_media(struct settings *s, const json_t *model, json_t *warnings)
{
	char path[PATH_MAX];

	if (read_folder(model, "media_root", no_folder, path) == 0 &&
	    strcmp(path, s->media_root_path) != 0)
		warn_later(warnings, "", "media_root");
	s->media_limit_mb = read_limit(model);
}

void settings_follow(struct settings *s, const json_t *model, json_t *warnings)
{
	const json_t *server = json_object_get(model, "server");
	static const char *const later[] = {"host",	 "port",	"rtsp_port",
					    "rtp_port",	 "workers",	"user",
					    "state_dir", "runtime_dir", "log_format"};

	for (size_t i = 0; i < array_size(later); i++) {
		const json_t *now = json_object_get(server, later[i]);

		if (!json_equal(now, json_object_get(s->server, later[i])))
			warn_later(warnings, "server.", later[i]);
	}
	follow_media(s, model, warnings);
	follow_live(s, server);
}

int settings_state_dir(const json_t *server, char dst[PATH_MAX])
{
	return read_folder(server, "state_dir", state_dir_default, dst);
}

static int read_media(struct settings *s, const json_t *model)
{
	int r = read_folder(model, "media_root", no_folder, s->media_root_path);

	s->media_root = r == 0 && s->media_root_path[0] ? s->media_root_path : NULL;
	s->media_limit_mb = read_limit(model);
	return r;
}

static void read_rtsp(struct settings *s, const json_t *server)
{
	const json_t *port = json_object_get(server, "rtsp_port");

	s->rtp_port = (uint16_t)json_integer_value(json_object_get(server, "rtp_port"));
	s->rtsp = RTSP_CHOSEN;
	if (json_is_integer(port)) {
		s->rtsp_port = (uint16_t)json_integer_value(port);
		s->rtsp = s->rtsp_port == 0 ? RTSP_OFF : RTSP_CHOSEN;
	} else if (!json_is_string(port)) {
		s->rtsp = RTSP_DEFAULT;
		s->rtsp_port = RTSP_PORT_DEFAULT;
	}
}

int settings_read(struct settings *s, json_t *model, char *text, size_t text_cap)
{
	const json_t *server = json_object_get(model, "server");
	const json_t *auth = json_object_get(model, "auth");
	json_int_t workers = json_integer_value(json_object_get(server, "workers"));
	int r;

	*s = (struct settings){.log_level = LOG_INFO};
	s->server = json_incref((json_t *)(uintptr_t)server);
	s->host = string_of(server, "host", "0.0.0.0");
	s->user = string_of(server, "user", NULL);
	s->port = (uint16_t)json_integer_value(json_object_get(server, "port"));
	s->workers = workers > 0 ? (unsigned)MIN(workers, (json_int_t)WORKERS_MAX)
				 : MIN(count_cores(), (unsigned)WORKERS_MAX);
	read_rtsp(s, server);
	follow_live(s, server);
	assert(s->workers > 0 && s->workers <= WORKERS_MAX);
	s->log_json = strcmp(string_of(server, "log_format", "text"), "json") == 0;
	s->auth_enabled = json_is_true(json_object_get(auth, "enabled"));
	s->token_from = describe_token(auth);
	r = settings_state_dir(server, s->state_dir);
	if (r == 0)
		r = read_folder(server, "runtime_dir", runtime_dir_default, s->runtime_dir);
	if (r == 0)
		r = read_media(s, model);
	if (r < 0)
		snprintf(text, text_cap, "no folder for the server's state: %s", strerror(-r));
	return r;
}

void settings_done(struct settings *s)
{
	json_decref(s->server);
	json_decref(s->public_url);
	json_decref(s->access_log);
	*s = (struct settings){0};
}

void settings_url(const struct settings *s, uint16_t port, char *dst, size_t cap)
{
	const char *host = s->host, *public_url = json_string_value(s->public_url);
	bool local;

	assert(host != NULL && port != 0);
	local = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 ||
		strcmp(host, "127.0.0.1") == 0;
	if (public_url && public_url[0])
		snprintf(dst, cap, "%s", public_url);
	else
		snprintf(dst, cap,
			 strchr(host, ':') && !local ? "http://[%s]:%u/" : "http://%s:%u/",
			 local ? "localhost" : host, port);
}
