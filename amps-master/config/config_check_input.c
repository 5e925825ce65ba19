/* How a source is opened: yt-dlp, input_options, input_args, alternative sources. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "amps-master/lineup/channel_rules.h"
#include "amps-master/lineup/command_words.h"
#include "amps-master/config/config_check_parts.h"
#include "amps-master/lineup/options_list.h"
#include "amps-master/lineup/yt_dlp.h"
#include "common/text/text.h"

#define ARGS_MAX 256

/* The older Amps passed every option to yt-dlp; this one passes only those of the list. */
static json_t *read_handler_option(struct check *c, const struct field *f, const struct spot *at)
{
	(void)c;
	(void)f;
	return json_incref(at->value);
}

static json_t *read_handler_options(struct check *c, const struct field *f, const struct spot *at)
{
	static const struct section section = {.other = read_handler_option};
	static const struct field any = {.section = &section};
	json_t *options = value_section(c, &any, at);
	size_t count = 0;
	const char *key;
	json_t *value;

	(void)f;
	while (yt_dlp_options[count] != NULL)
		count++;
	json_object_foreach (options, key, value) {
		struct spot inner = check_enter_key(c, at->value, key);
		bool known = false;

		for (size_t i = 0; i < count; i++)
			known = known || strcmp(key, yt_dlp_options[i]) == 0;
		if (!known)
			check_unknown(c, &inner, PROBLEM_WARNING, "yt-dlp option", key,
				      yt_dlp_options, count);
		else if (json_is_object(value))
			check_error(c, &inner,
				    "must be a value or a list of values, not a mapping");
		check_leave(c, &inner);
	}
	return options;
}

static const char *const handler_types[] = {"yt_dlp", "yt-dlp=yt_dlp", "ytdlp=yt_dlp", NULL};
static const struct field handler_fields[] = {
	FIELD("type", value_choice, .choices = handler_types),
	FIELD("format", value_text, .flags = FIELD_FILLED),
	FIELD("options", read_handler_options),
};
static const struct section handler_section = {FIELDS(handler_fields), .alone = config_check_type};

/* A list of words, or one text that is split into words. */
static json_t *read_args(struct check *c, const struct field *f, const struct spot *at)
{
	static const struct field word = {.read = value_text};
	static const struct field list = {.item = &word, .max = ARGS_MAX};
	json_t *split = NULL;

	(void)f;
	if (!json_is_string(at->value))
		return value_list(c, &list, at);
	if (command_words_split(json_string_value(at->value), &split) == -EINVAL)
		check_error(c, at, "a quote is not closed");
	return split;
}

/* Warns about `file` in the whitelist of a remote source: its playlist could read local files. */
static void check_whitelist(struct check *c, const struct spot *options, const char *source)
{
	struct spot at = check_enter_key(c, options->value, "protocol_whitelist");
	const char *list = json_string_value(at.value);
	bool remote = strstr(source, "://") != NULL && strncmp(source, "file:", 5) != 0;

	while (list != NULL && *list != '\0' && remote) {
		size_t n = strcspn(list, ", ");

		if (n == 4 && strncmp(list, "file", 4) == 0) {
			check_warning(c, &at, "'file' is not granted to a remote source");
			break;
		}
		list += n;
		list += strspn(list, ", ");
	}
	check_leave(c, &at);
}

/* Has the transcoder check options or arguments as they were read. */
static void ask(struct check *c, const struct spot *at, const char *source, const json_t *options,
		json_t *args)
{
	struct option_ask question = {.path = c->path.data,
				      .line = at->line,
				      .container = at->value,
				      .kind = "input",
				      .source = source};

	if (c->asks == NULL || c->path.data == NULL)
		return;
	question.options = options != NULL ? options_list(options) : NULL;
	question.args = json_incref(args);
	if (option_asks_add(c->asks, &question) < 0)
		c->out_of_memory = true;
}

/* Only a warning, because the other channels can still play. */
static void check_source(struct check *c, const struct spot *at, const json_t *out)
{
	char scratch[32], text[160];
	const char *source = channel_source(out, scratch);
	struct spot inner = check_enter_key(c, at->value, "source");

	if (channel_pair_wrong(out))
		check_error(c, at, CHANNEL_PAIR_RULE);
	else if (json_is_string(inner.value) && source != NULL && !channel_is_lavfi(out) &&
		 (yt_dlp_wanted(out) ? yt_dlp_page_wrong(source, text, sizeof(text))
				     : channel_source_wrong(source, text, sizeof(text))))
		check_warning(c, &inner, "%s", text);
	check_leave(c, &inner);
}

/* Keys that this source does not follow. */
static void check_ways(struct check *c, const struct spot *at, const json_t *out)
{
	static const char *const keys[] = {"interface", "proxy"};
	char scratch[32];
	const char *source = channel_source(out, scratch);
	char text[160];

	for (size_t i = 0; i < array_size(keys); i++) {
		struct spot inner = check_enter_key(c, at->value, keys[i]);

		if (inner.value != NULL && source != NULL &&
		    channel_way_wrong(keys[i], source, text, sizeof(text)))
			check_warning(c, &inner, "%s", text);
		check_leave(c, &inner);
	}
}

void config_check_input(struct check *c, const struct spot *at, const json_t *out,
			const char *source)
{
	const json_t *options = json_object_get(out, "input_options");
	json_t *args = json_object_get(out, "input_args");
	struct spot inner;

	check_source(c, at, out);
	check_ways(c, at, out);
	if (options != NULL) {
		inner = check_enter_key(c, at->value, "input_options");
		check_whitelist(c, &inner, source);
		ask(c, &inner, source, options, NULL);
		check_leave(c, &inner);
	}
	if (args != NULL) {
		inner = check_enter_key(c, at->value, "input_args");
		ask(c, &inner, source, NULL, args);
		check_leave(c, &inner);
	}
}

/* One leg of a pair. */
static json_t *read_leg(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *leg = value_text(c, f, at);
	char wrong[160];

	if (leg == NULL)
		return NULL;
	if (strncasecmp(json_string_value(leg), "rtp://", 6) != 0)
		check_error(c, at, "a leg of a pair must be an rtp:// address");
	else if (channel_source_wrong(json_string_value(leg), wrong, sizeof(wrong)))
		check_error(c, at, "%s", wrong);
	else
		return leg;
	json_decref(leg);
	return NULL;
}

static json_t *read_legs(struct check *c, const struct field *f, const struct spot *at)
{
	static const struct field leg = {.read = read_leg, .flags = FIELD_FILLED};
	static const struct field list = {.item = &leg};
	json_t *legs;

	(void)f;
	if (json_array_size(at->value) != 2) {
		check_error(c, at, "must be a list of two rtp:// addresses");
		return NULL;
	}
	legs = value_list(c, &list, at);
	if (json_array_size(legs) == 2 &&
	    json_equal(json_array_get(legs, 0), json_array_get(legs, 1)))
		check_error(c, at, "both legs are the same address");
	else if (json_array_size(legs) == 2)
		return legs;
	json_decref(legs);
	return NULL;
}

static const struct field pair_fields[] = {
	FIELD("pair", read_legs, .flags = FIELD_REQUIRED),
	FIELD("window_ms", value_int, .min = PAIR_WINDOW_MIN_MS, .max = PAIR_WINDOW_MAX_MS),
};
static const struct section pair_section = {FIELDS(pair_fields)};

/* An address, or two legs of one feed. */
static json_t *read_address(struct check *c, const struct field *f, const struct spot *at)
{
	static const struct field pair = {.section = &pair_section};
	json_t *source;

	if (!json_is_object(at->value))
		return value_text(c, f, at);
	source = value_section(c, &pair, at);
	if (json_object_get(source, "pair") != NULL)
		return source;
	json_decref(source);
	return NULL;
}

/* An item may have the members of a pair, or `url`, in place of `source`. */
static bool finish_source(struct check *c, const struct spot *at, json_t *out)
{
	static const char *const others[] = {"url", "pair"};
	char scratch[32];
	unsigned given = json_object_get(at->value, "source") != NULL;
	bool is_pair = json_object_get(at->value, "pair") != NULL;
	const char *source;

	if (json_object_get(out, "pair") != NULL &&
	    json_object_set_new(out, "pair",
				json_pack("{sO sO*}", "pair", json_object_get(out, "pair"),
					  "window_ms", json_object_get(out, "window_ms"))) < 0)
		c->out_of_memory = true;
	for (size_t i = 0; i < array_size(others); i++) {
		json_t *other = json_object_get(out, others[i]);

		given += json_object_get(at->value, others[i]) != NULL;
		if (json_object_get(out, "source") == NULL && other != NULL &&
		    json_object_set(out, "source", other) < 0)
			c->out_of_memory = true;
		json_object_del(out, others[i]);
	}
	json_object_del(out, "window_ms");
	if (given == 0 && json_object_get(at->value, "custom_ffmpeg") == NULL)
		check_error(c, at, "'source' is missing");
	if (given > 1 && is_pair)
		check_error(c, at, "only one of 'source', 'url' and 'pair' can be given");
	if (!is_pair && json_object_get(at->value, "window_ms") != NULL)
		check_error(c, at, "'window_ms' needs 'pair' beside it");
	source = channel_source(out, scratch);
	if (source != NULL)
		config_check_input(c, at, out, source);
	return true;
}

/* libav knows proxies of HTTP, whose address it wants in this form, in lower case. */
static bool proxy_ok(const char *text)
{
	const char *host = text + 7, *port, *end;
	char digits[6];
	uint64_t number;

	if (strncmp(text, "http://", 7) != 0)
		return false;
	host = strrchr(host, '@') ? strrchr(host, '@') + 1 : host;
	port = strchr(*host == '[' ? host + strcspn(host, "]") : host, ':');
	if (port == NULL || port == host || memchr(host, '/', (size_t)(port - host)) != NULL)
		return false;
	end = port + 1 + strspn(port + 1, "0123456789");
	snprintf(digits, sizeof(digits), "%.*s", (int)MIN(end - port - 1, 5), port + 1);
	return end - port - 1 <= 5 && text_parse_u64(digits, UINT16_MAX, &number) == 0 &&
	       number > 0 && (*end == '\0' || strcmp(end, "/") == 0);
}

static json_t *read_proxy(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *proxy = value_text(c, f, at);
	const char *text = json_string_value(proxy);

	if (text != NULL && !proxy_ok(text))
		check_error(c, at, "must be the address of an HTTP proxy: http://host:port");
	return proxy;
}

static const struct field input_fields[] = {
	FIELD("source", read_address, .flags = FIELD_FILLED),
	FIELD("input_options", value_options),
	FIELD("input_args", read_args),
	FIELD("interface", value_text, .flags = FIELD_FILLED),
	FIELD("proxy", read_proxy, .flags = FIELD_FILLED),
	FIELD("source_handler", value_section, .section = &handler_section),
	FIELD("use_yt_dlp", value_bool),
	FIELD("yt_dlp_format", value_text, .flags = FIELD_FILLED),
};
const struct section config_check_inputs = {FIELDS(input_fields)};

static const struct field source_fields[] = {
	FIELD("url", value_text, .flags = FIELD_FILLED),
	FIELD("pair", read_legs),
	FIELD("window_ms", value_int, .min = PAIR_WINDOW_MIN_MS, .max = PAIR_WINDOW_MAX_MS),
	FIELD("custom_ffmpeg", config_check_command),
};
static const struct section source_section = {FIELDS(source_fields), .base = &config_check_inputs,
					      .finish = finish_source};

/* A URL, or a mapping of a URL and its options. */
static json_t *read_source(struct check *c, const struct field *f, const struct spot *at)
{
	static const struct field text = {.read = value_text, .flags = FIELD_FILLED};
	json_t *address;
	char wrong[160];

	if (json_is_object(at->value))
		return value_section(c, f, at);
	address = value_text(c, &text, at);
	if (address != NULL &&
	    channel_source_wrong(json_string_value(address), wrong, sizeof(wrong)))
		check_warning(c, at, "%s", wrong);
	return address;
}

const struct field config_check_source_item = {.read = read_source, .section = &source_section};
