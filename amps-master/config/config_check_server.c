#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "amps-master/lineup/cidr.h"
#include "amps-master/lineup/command_words.h"
#include "amps-master/config/config_check.h"
#include "amps-master/config/config_check_parts.h"
#include "common/defaults.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "common/shm/tokens.h"
#include "common/text/text.h"

#define PORT_MAX    65535
#define SECONDS_MAX 31536000 /* a year */
#define VIEWERS_MAX 100000000

static json_t *read_workers(struct check *c, const struct field *f, const struct spot *at)
{
	const char *text = json_string_value(at->value);

	return text != NULL && strcasecmp(text, "auto") == 0 ? json_integer(0)
							     : value_int(c, f, at);
}

/* The port of RTSP: 0 turns RTSP off, "auto" stands for any port. */
static json_t *read_rtsp_port(struct check *c, const struct field *f, const struct spot *at)
{
	const char *text = json_string_value(at->value);

	return text != NULL && strcasecmp(text, "auto") == 0 ? json_string("auto")
							     : value_int(c, f, at);
}

/* The first of the ports of RTP; each worker takes two. */
static json_t *read_rtp_port(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *port = value_int(c, f, at);

	if (port == NULL || json_integer_value(port) % 2 == 0)
		return port;
	json_decref(port);
	return check_error(c, at, "must be even: RTP takes a port and the next one");
}

static json_t *read_log_level(struct check *c, const struct field *f, const struct spot *at)
{
	const char *text = json_string_value(at->value);
	enum log_level level;

	(void)f;
	if (text != NULL && log_parse_level(text, &level) == 0)
		return json_string(log_level_name(level));
	return check_error(c, at, "must be one of debug, info, warning, error, not %s",
			   check_name(at).text);
}

static json_t *read_cidr(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *text = value_text(c, f, at);
	struct catalog_cidr unused;

	if (text == NULL || cidr_parse(json_string_value(text), &unused))
		return text;
	json_decref(text);
	return check_error(c, at, "must be an address or a network like 10.0.0.0/8, not %s",
			   check_name(at).text);
}

/* A name as a Host field has it, without its port. */
static json_t *read_host_name(struct check *c, const struct field *f, const struct spot *at)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._";
	json_t *text = value_text(c, f, at);
	const char *name = json_string_value(text);

	if (text == NULL || (*name != '\0' && name[strspn(name, letters)] == '\0' &&
			     strlen(name) <= HOST_NAME_BYTES))
		return text;
	json_decref(text);
	return check_error(c, at, "must be a host name like tv.example.com, not %s",
			   check_name(at).text);
}

/* An address or a host name. */
static json_t *read_host(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *text = value_text(c, f, at);
	const char *host = json_string_value(text);
	unsigned char bytes[16];

	if (text == NULL || inet_pton(AF_INET6, host, bytes) == 1 ||
	    host[strspn(host,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")] ==
		    '\0')
		return text;
	json_decref(text);
	return check_error(c, at, "must be an address or a host name, not %s", check_name(at).text);
}

/* An unknown user is only a warning: the file may be meant for another machine. */
static json_t *read_user(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *text = value_text(c, f, at);

	if (text != NULL && getpwnam(json_string_value(text)) == NULL)
		check_warning(c, at,
			      "there is no user %s here: a server started as root would exit",
			      check_name(at).text);
	return text;
}

static bool finish_server(struct check *c, const struct spot *at, json_t *out)
{
	const json_t *port = json_object_get(out, "rtsp_port");
	bool chosen = !json_is_null(port);
	json_int_t rtsp_port = chosen ? json_integer_value(port) : RTSP_PORT_DEFAULT;
	struct spot inner;

	if (rtsp_port != 0 && rtsp_port == json_integer_value(json_object_get(out, "port"))) {
		inner = check_enter_key(c, at->value, chosen ? "rtsp_port" : "port");
		if (chosen)
			check_error(c, &inner, "is %d, the HTTP port too (0 turns RTSP off)",
				    (int)rtsp_port);
		else
			check_warning(
				c, &inner,
				"is RTSP's usual port: RTSP is off unless rtsp_port names another");
		check_leave(c, &inner);
		/* files of the older Amps, which has no RTSP, must work unchanged */
		if (!chosen && json_object_set_new(out, "rtsp_port", json_integer(0)) < 0)
			c->out_of_memory = true;
	}
	/* `debug` is the older Amps' key; an explicit log_level takes precedence */
	if (json_is_true(json_object_get(out, "debug")) &&
	    !json_is_string(json_object_get(at->value, "log_level")) &&
	    json_object_set_new(out, "log_level", json_string("debug")) < 0)
		c->out_of_memory = true;
	json_object_del(out, "debug");
	return true;
}

static const struct field proxy = {.read = read_cidr};
static const struct field host_name = {.read = read_host_name};
static const char *const log_formats[] = {"text", "json", NULL};

static const struct field server_fields[] = {
	FIELD("host", read_host, .flags = FIELD_FILLED, .fallback = "\"0.0.0.0\""),
	FIELD("port", value_int, .max = PORT_MAX, .fallback = "5000"),
	FIELD("workers", read_workers, .max = WORKERS_MAX, .fallback = "0"),
	FIELD("user", read_user, .flags = FIELD_FILLED, .max = 63, .fallback = "null"),
	FIELD("rtsp_port", read_rtsp_port, .max = PORT_MAX, .fallback = "null"),
	FIELD("rtp_port", read_rtp_port, .max = PORT_MAX - 2 * WORKERS_MAX, .fallback = "0"),
	FIELD("public_url", value_web_url, .flags = FIELD_FILLED, .fallback = "null"),
	FIELD("trusted_proxies", value_list, .flags = FIELD_SINGLE, .item = &proxy,
	      .max = TRUSTED_PROXIES_MAX, .fallback = "[]"),
	FIELD("allowed_hosts", value_list, .flags = FIELD_SINGLE, .item = &host_name,
	      .max = ALLOWED_HOSTS_MAX, .fallback = "[]"),
	FIELD("state_dir", value_text, .flags = FIELD_FILLED, .fallback = "null"),
	FIELD("runtime_dir", value_text, .flags = FIELD_FILLED, .fallback = "null"),
	FIELD("max_viewers", value_int, .max = VIEWERS_MAX, .fallback = "0"),
	FIELD("log_level", read_log_level, .fallback = "\"info\""),
	FIELD("log_format", value_choice, .choices = log_formats, .fallback = "\"text\""),
	FIELD("access_log", value_text, .flags = FIELD_FILLED, .max = PATH_MAX - 1,
	      .fallback = "null"),
	FIELD("debug", value_bool, .fallback = "false"),
};
const struct section config_check_server = {FIELDS(server_fields), .finish = finish_server};

static json_t *read_token(struct check *c, const struct field *f, const struct spot *at)
{
	json_auto_t *text = value_text(c, f, at);
	const char *token = json_string_value(text);

	if (token == NULL)
		return NULL;
	for (const char *p = token; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return check_error(c, at, "holds a control character");
	if (*token == '\0')
		return json_null(); /* `token: ""` means no token */
	if (token[strspn(token, " ")] == '\0')
		return check_error(c, at, "holds only blanks");
	if (strcmp(token, WELL_KNOWN_TOKEN) == 0)
		check_warning(c, at,
			      "'" WELL_KNOWN_TOKEN "' is a published default: choose another");
	return json_incref(text);
}

/* The SHA-256 of a token in hexadecimal; kept in lower case. */
static json_t *read_token_hash(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *text = value_text(c, f, at);
	const char *hex = json_string_value(text);
	char lower[TOKEN_HASH_BYTES + 1] = "";

	if (text == NULL)
		return NULL;
	if (strlen(hex) == TOKEN_HASH_BYTES)
		for (size_t i = 0; text_hex_value(hex[i]) >= 0; i++)
			lower[i] = (char)(hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] | 0x20 : hex[i]);
	json_decref(text);
	if (strlen(lower) < TOKEN_HASH_BYTES)
		return check_error(c, at, "must be the %d hexadecimal digits of a SHA-256",
				   TOKEN_HASH_BYTES);
	return json_string(lower);
}

/* Reports a token that another entry has, as it is or as its SHA-256.  An unquoted number is
 * compared as written. */
static void claim_token(struct check *c, const struct spot *at, bool hashed, json_t *seen)
{
	const char *text = at->raw != NULL ? at->raw : json_string_value(at->value);
	char hex[TOKEN_HASH_BYTES + 1] = "";

	if (text == NULL || *text == '\0' || json_is_null(at->value))
		return;
	if (!hashed)
		tokens_hash(text, strlen(text), hex);
	else if (strlen(text) == TOKEN_HASH_BYTES)
		for (size_t i = 0; i < TOKEN_HASH_BYTES; i++)
			hex[i] = (char)tolower((unsigned char)text[i]);
	if (json_object_get(seen, hex) != NULL)
		check_error(c, at, "another entry has this token already");
	else if (json_object_set_new(seen, hex, json_true()) < 0)
		c->out_of_memory = true;
}

static bool finish_auth(struct check *c, const struct spot *at, json_t *out)
{
	static const char *const keys[] = {"token", "admin_token"};
	json_auto_t *seen = json_object();
	json_t *list = json_object_get(at->value, "tokens");
	struct spot inner, item, leaf;

	for (size_t i = 0; i < array_size(keys); i++) {
		inner = check_enter_key(c, at->value, keys[i]);
		claim_token(c, &inner, false, seen);
		check_leave(c, &inner);
	}
	if (json_is_string(json_object_get(out, "token")) &&
	    json_is_string(json_object_get(out, "token_file")))
		check_error(c, at, "'token' and 'token_file' are both given: keep one");
	inner = check_enter_key(c, at->value, "tokens");
	for (size_t i = 0; i < json_array_size(list); i++) {
		item = check_enter_index(c, list, i);
		leaf = check_enter_key(c, item.value, "token");
		claim_token(c, &leaf, false, seen);
		check_leave(c, &leaf);
		leaf = check_enter_key(c, item.value, "token_sha256");
		claim_token(c, &leaf, true, seen);
		check_leave(c, &leaf);
		check_leave(c, &item);
	}
	check_leave(c, &inner);
	return true;
}

static const char *const roles[] = {"viewer", "admin", NULL};
static const struct field token_group = {
	.read = value_text, .flags = FIELD_FILLED, .max = TOKEN_GROUP_BYTES - 1};
/* What a token may do, however it is made. */
#define TOKEN_RULES                                                                                \
	FIELD("role", value_choice, .choices = roles, .fallback = "\"viewer\""),                   \
		FIELD("max_viewers", value_int, .max = VIEWERS_MAX, .fallback = "0"),              \
		FIELD("groups", value_list, .flags = FIELD_SINGLE, .item = &token_group,           \
		      .max = TOKEN_GROUPS_MAX, .fallback = "[]"),                                  \
		FIELD("expires", value_time, .fallback = "null")

static const struct field token_fields[] = {
	FIELD("name", value_text, .max = 63, .fallback = "\"\""),
	FIELD("token", read_token, .flags = FIELD_FILLED, .max = TOKEN_BYTES_MAX - 1),
	FIELD("token_sha256", read_token_hash, .flags = FIELD_FILLED),
	TOKEN_RULES,
};

static bool finish_token(struct check *c, const struct spot *at, json_t *out)
{
	/* a key counts as given even if its value was refused */
	bool plain = json_object_get(at->value, "token") != NULL;

	(void)out;
	if (plain == (json_object_get(at->value, "token_sha256") != NULL))
		check_error(c, at, "needs 'token' or 'token_sha256'%s", plain ? ", not both" : "");
	return true;
}

static const struct section token_section = {FIELDS(token_fields), .finish = finish_token};
static const struct field token_item = {.read = value_section, .section = &token_section};

/* A name that is a part of a path. */
static json_t *read_new_name(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *text = value_text(c, f, at);
	const char *p = json_string_value(text);

	while (p != NULL && (unsigned char)*p >= ' ' && *p != 0x7f && *p != '/')
		p++;
	if (p == NULL || *p == '\0')
		return text;
	json_decref(text);
	return check_error(c, at, "must have no slash and no control character");
}

/* A token that the API is to make: the same without the token itself. */
static const struct field new_token_fields[] = {
	FIELD("name", read_new_name, .flags = FIELD_REQUIRED | FIELD_FILLED, .max = 63),
	TOKEN_RULES,
};
static const struct section new_token_section = {FIELDS(new_token_fields)};
const struct field config_check_new_token = {.read = value_section, .section = &new_token_section};

static const struct field auth_fields[] = {
	FIELD("enabled", value_bool, .fallback = "true"),
	FIELD("token", read_token, .max = TOKEN_BYTES_MAX - 1, .fallback = "null"),
	FIELD("admin_token", read_token, .max = TOKEN_BYTES_MAX - 1, .fallback = "null"),
	FIELD("token_file", value_text, .flags = FIELD_FILLED, .fallback = "null"),
	FIELD("tokens", value_list, .item = &token_item, .max = TOKENS_MAX - 2, .fallback = "[]"),
};
const struct section config_check_auth = {FIELDS(auth_fields), .finish = finish_auth};

static const char *const slow_viewer[] = {"skip", "drop", NULL};
static const struct field streaming_fields[] = {
	FIELD("idle_timeout", value_seconds, .max = SECONDS_MAX,
	      .fallback = DEFAULT_TEXT(DEFAULT_IDLE_TIMEOUT_S) ".0"),
	FIELD("start_timeout", value_seconds, .min = .1, .max = 3600,
	      .fallback = DEFAULT_TEXT(DEFAULT_START_TIMEOUT_S) ".0"),
	FIELD("stall_timeout", value_seconds, .min = .1, .max = 3600,
	      .fallback = DEFAULT_TEXT(DEFAULT_STALL_TIMEOUT_S) ".0"),
	FIELD("allow_private", value_bool, .fallback = "false"),
	FIELD("ring_seconds", value_int, .min = 1, .max = 600,
	      .fallback = DEFAULT_TEXT(DEFAULT_RING_SECONDS)),
	FIELD("return_after", value_seconds, .max = 3600,
	      .fallback = DEFAULT_TEXT(DEFAULT_RETURN_AFTER_S) ".0"),
	FIELD("max_overlap", value_int, .max = OVERLAP_MAX,
	      .fallback = DEFAULT_TEXT(DEFAULT_MAX_OVERLAP)),
	FIELD("join_ms", value_int, .max = JOIN_MS_MAX, .fallback = "500"),
	FIELD("slow_viewer", value_choice, .choices = slow_viewer, .fallback = "\"skip\""),
};
const struct section config_check_streaming = {FIELDS(streaming_fields)};

static const char *const segment_types[] = {"auto", "ts", "cmaf", "mpegts=ts", "fmp4=cmaf", NULL};
static const struct field hls_fields[] = {
	FIELD("segment_seconds", value_seconds, .min = .5, .max = 60,
	      .fallback = DEFAULT_TEXT(DEFAULT_SEGMENT_S) ".0"),
	FIELD("part_ms", value_int, .min = 100, .max = 5000,
	      .fallback = DEFAULT_TEXT(DEFAULT_PART_MS)),
	FIELD("playlist_seconds", value_seconds, .min = 1, .max = 3600,
	      .fallback = DEFAULT_TEXT(DEFAULT_PLAYLIST_S) ".0"),
	FIELD("dvr_seconds", value_seconds, .max = SECONDS_MAX, .fallback = "0.0"),
	FIELD("segment_type", value_choice, .choices = segment_types, .fallback = "\"auto\""),
};
const struct section config_check_hls = {FIELDS(hls_fields)};

static const struct field dash_fields[] = {
	FIELD("segment_seconds", value_seconds, .min = .5, .max = 60, .fallback = "4.0"),
	FIELD("window_seconds", value_seconds, .min = 1, .max = SECONDS_MAX,
	      .fallback = DEFAULT_TEXT(DEFAULT_DASH_WINDOW_S) ".0"),
};
const struct section config_check_dash = {FIELDS(dash_fields)};

static bool finish_guide(struct check *c, const struct spot *at, json_t *out)
{
	/* a key counts as given even if its value was refused */
	bool url = json_object_get(at->value, "url") != NULL;

	(void)out;
	if (url == (json_object_get(at->value, "path") != NULL))
		check_error(c, at, "needs 'url' or 'path'%s", url ? ", not both" : "");
	return true;
}

/* A name of the time zone database, such as Europe/Berlin. */
static json_t *read_timezone(struct check *c, const struct field *f, const struct spot *at)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+-/";
	json_t *text = value_text(c, f, at);
	const char *name = json_string_value(text);
	char path[128];

	if (text == NULL || strcmp(name, "UTC") == 0)
		return text;
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
	if (name[strspn(name, letters)] == '\0' && name[0] != '/' && strlen(name) < 64 &&
	    access(path, R_OK) == 0)
		return text;
	json_decref(text);
	return check_error(c, at, "must be a time zone of this machine like Europe/Berlin, not %s",
			   check_name(at).text);
}

static const struct field guide_fields[] = {
	FIELD("url", value_web_url),
	FIELD("path", value_text, .flags = FIELD_FILLED),
	FIELD("refresh", value_seconds, .min = 1, .max = SECONDS_MAX, .fallback = "21600.0"),
	FIELD("shift", value_number, .min = -48, .max = 48, .fallback = "0.0"),
	FIELD("timezone", read_timezone, .flags = FIELD_FILLED, .fallback = "\"UTC\""),
};

static const char *guide_alone(const char *text)
{
	return strstr(text, "://") != NULL ? "url" : "path";
}

static const struct section guide_section = {FIELDS(guide_fields), .alone = guide_alone,
					     .finish = finish_guide};
static const struct field guide = {.read = value_section, .section = &guide_section};
static const struct field epg_fields[] = {
	FIELD("sources", value_list, .flags = FIELD_SINGLE, .item = &guide,
	      .max = GUIDE_SOURCES_MAX, .fallback = "[]"),
	FIELD("keep_days", value_int, .max = 60, .fallback = "2"),
	FIELD("past_days", value_int, .max = 60, .fallback = "1"),
};
const struct section config_check_epg = {FIELDS(epg_fields)};

static const struct field limits_fields[] = {
	FIELD("memory_mb", value_int, .max = 1 << 20, .fallback = "0"),
	FIELD("nice", value_int, .max = 19, .fallback = "0"),
};

static bool finish_limits(struct check *c, const struct spot *at, json_t *out)
{
	json_int_t memory_mb = json_integer_value(json_object_get(out, "memory_mb"));
	struct spot inner;

	if (memory_mb == 0 || memory_mb >= JOB_MEMORY_MIN_MB)
		return true;
	inner = check_enter_key(c, at->value, "memory_mb");
	check_error(c, &inner, "must be 0 or at least %d: no job can run with less",
		    JOB_MEMORY_MIN_MB);
	check_leave(c, &inner);
	return true;
}

const struct section config_check_limits = {FIELDS(limits_fields), .finish = finish_limits};

static const char *const trusted[] = {"query", "headers", NULL};
static const struct field trust = {.read = value_choice, .choices = trusted};

/* The file is read by a helper, later, and again at each reload: it need not be there yet. */
static json_t *read_geoip(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *path = value_text(c, f, at);

	if (path != NULL && access(json_string_value(path), F_OK) != 0)
		check_warning(c, at, "cannot be read: %s", strerror(errno));
	return path;
}

static const struct field region_fields[] = {
	FIELD("trust", value_list, .flags = FIELD_SINGLE, .item = &trust, .max = 8,
	      .fallback = "[\"query\", \"headers\"]"),
	FIELD("geoip", read_geoip, .flags = FIELD_FILLED, .max = PATH_MAX - 1, .fallback = "null"),
};
const struct section config_check_region = {FIELDS(region_fields)};

/* A URL, or a command: words as of a shell. */
static json_t *read_hook(struct check *c, const struct field *f, const struct spot *at)
{
	json_auto_t *text = value_text(c, f, at), *words = NULL;
	const char *target = json_string_value(text), *scheme;

	if (text == NULL)
		return NULL;
	scheme = strstr(target, "://");
	if (scheme != NULL && strcspn(target, " \t/'\"") == (size_t)(scheme - target) + 1)
		return value_web_url(c, f, at);
	if (command_words_split(target, &words) < 0)
		return check_error(c, at, "has a quote that is not closed");
	if (json_array_size(words) == 0 || json_array_size(words) > HOOK_WORDS_MAX)
		return check_error(c, at, "must be a URL, or a command of %d words at most",
				   HOOK_WORDS_MAX);
	return json_incref(text);
}

#define HOOK(name)                                                                                 \
	FIELD(name, read_hook, .flags = FIELD_FILLED, .max = HOOK_TARGET_MAX, .fallback = "null")
static const struct field hook_fields[] = {
	HOOK("channel_started"), HOOK("channel_failed"), HOOK("channel_recovered"),
	HOOK("viewer_started"),	 HOOK("viewer_ended"),
};
const struct section config_check_hooks = {FIELDS(hook_fields)};

/* Plugins were Python modules of the older Amps: only their names are kept, for /api/plugins. */
json_t *config_check_plugins(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *names = json_array(), *each;
	size_t i;

	(void)f;
	if (json_is_string(at->value))
		json_array_append(names, at->value);
	json_array_foreach (at->value, i, each) {
		json_t *name = json_is_object(each) ? json_object_get(each, "name") : each;

		if (json_is_string(name))
			json_array_append(names, name);
	}
	/* no warning for the empty list that `amps config export` writes */
	if (!json_is_array(at->value) || json_array_size(at->value) > 0)
		check_warning(c, at,
			      "plugins are Python modules of the older Amps and are not loaded");
	return names;
}
