#include "amps-cli/import/channel.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "amps-cli/yaml.h"
#include "common/text/text.h"
#include "common/text/utf8.h"

/* all headers of one source together */
#define HEADERS_MAX 8192

/* in front of a name that is a key of Amps */
#define PREFIX "m3u-"

struct channel {
	const struct m3u_entry *entry;
	bool http;
	size_t url_len; /* of entry->url without Kodi's options */
	struct buf user_agent, referer, headers;
	json_t *out;
	bool failed; /* there was no memory */
};

/* In the order of the output. */
static const struct rule {
	const char *attribute, *key;
} RULES[] = {
	{"tvg-id", "epg_id"},
	{"tvg-name", "tvg_name"},
	{"tvg-logo", "logo"},
	{"logo", "logo"},
	{"group-title", "group"},
	{"tvg-chno", "channel_number"},
	{"channel-number", "channel_number"},
	{"ch-number", "channel_number"},
};

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool is_user_agent(const char *name)
{
	static const char *const names[] = {"vlc-http-user-agent", "http-user-agent", "user-agent"};

	return is_one_of(name, names, array_size(names));
}

static bool is_referer(const char *name)
{
	static const char *const names[] = {"vlc-http-referrer", "vlc-http-referer",
					    "http-referrer",	 "http-referer",
					    "referrer",		 "referer"};

	return is_one_of(name, names, array_size(names));
}

/* Keys with a meaning in a channel; "<<" has it even in quotes. */
static bool is_reserved(const char *name)
{
	static const char *const names[] = {
		"id", "name", "source", "sources", "slate", "cushion", "watch", "ffmpeg_profile",
		"custom_ffmpeg", "tvg_id", "tvg_name", "epg_id", "logo", "group", "channel_number",
		"description",
		/* of the programme and of who may watch */
		"program_feed", "next_programs", "regions_allowed", "regions_blocked", "schedule",
		/* of the source and of the output */
		"adaptive_bitrates", "use_yt_dlp", "yt_dlp_format", "source_handler",
		"input_options", "input_args", "output_format", "ll_hls", "audio_only", "hwaccel",
		"<<"};

	return is_one_of(name, names, array_size(names));
}

static const char *value_of(const struct m3u_entry *entry, const char *attribute)
{
	for (size_t i = 0; i < entry->pair_count; i++)
		if (strcmp(entry->pairs[i].name, attribute) == 0)
			return entry->pairs[i].value;
	return NULL;
}

/* JSON has UTF-8 only, and %XX may stand for any byte. */
static json_t *text_json(const char *text, size_t len)
{
	struct buf repaired = BUF_INIT;
	json_t *value = NULL;

	if (utf8_valid(text, len))
		return json_stringn(text, len);
	utf8_repair(text, len, &repaired);
	if (buf_ok(&repaired))
		value = json_stringn(repaired.data, repaired.len);
	buf_done(&repaired);
	return value;
}

static void put_key(struct channel *ch, const char *key, const char *value)
{
	if (json_object_set_new(ch->out, key, text_json(value, strlen(value))) < 0)
		ch->failed = true;
}

static void set_once(struct buf *option, const char *value)
{
	if (option->len == 0)
		buf_puts(option, value);
}

/* Decodes %XX and '+' as Kodi does.  Removes control characters: they could begin another header.
 */
static void decode(const char *text, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		int c = text_percent_byte(text + i, len - i);

		if (c >= 0)
			i += 2;
		else
			c = text[i] == '+' ? ' ' : (unsigned char)text[i];
		if (c >= 0x20 && c != 0x7f)
			buf_putc(out, (char)c);
	}
}

/* One "name=value" of those behind the URL. */
static void take_kodi_option(struct channel *ch, const char *text, size_t len)
{
	const char *equals = memchr(text, '=', len);
	struct buf name = BUF_INIT, value = BUF_INIT;

	if (equals == NULL || equals == text)
		return;
	decode(text, (size_t)(equals - text), &name);
	decode(equals + 1, len - (size_t)(equals - text) - 1, &value);
	if (!buf_ok(&name) || !buf_ok(&value))
		ch->failed = true;
	else if (name.len == 0 || value.len == 0)
		;
	else if (is_user_agent(name.data))
		set_once(&ch->user_agent, value.data);
	else if (is_referer(name.data))
		set_once(&ch->referer, value.data);
	else if (ch->headers.len + name.len + value.len < HEADERS_MAX)
		buf_printf(&ch->headers, "%s: %s\r\n", name.data, value.data);
	buf_done(&name);
	buf_done(&value);
}

static void read_kodi_options(struct channel *ch)
{
	const char *url = ch->entry->url;
	const char *p = ch->http ? strchr(url, '|') : NULL;

	assert(ch->url_len == 0);
	ch->url_len = strlen(url);
	if (p == NULL || strchr(p, '=') == NULL)
		return;
	ch->url_len = (size_t)(p - url);
	while (*p != '\0') {
		size_t len = strcspn(++p, "&|");

		take_kodi_option(ch, p, len);
		p += len;
	}
}

/* True when the attribute goes under input_options. */
static bool is_input_option(const struct channel *ch, const char *name)
{
	return ch->http && (is_user_agent(name) || is_referer(name));
}

static void read_options(struct channel *ch)
{
	const struct m3u_entry *entry = ch->entry;

	read_kodi_options(ch);
	for (size_t i = 0; i < entry->pair_count; i++) {
		if (!is_input_option(ch, entry->pairs[i].name))
			continue;
		set_once(is_user_agent(entry->pairs[i].name) ? &ch->user_agent : &ch->referer,
			 entry->pairs[i].value);
	}
}

static void put_option(struct channel *ch, json_t *options, const char *name,
		       const struct buf *value)
{
	if (value->len > 0 &&
	    json_object_set_new(options, name, text_json(value->data, value->len)) < 0)
		ch->failed = true;
}

static void put_options(struct channel *ch)
{
	json_t *options;

	if (ch->user_agent.len == 0 && ch->referer.len == 0 && ch->headers.len == 0)
		return;
	options = json_object();
	put_option(ch, options, "user_agent", &ch->user_agent);
	put_option(ch, options, "referer", &ch->referer);
	put_option(ch, options, "headers", &ch->headers);
	if (json_object_set_new(ch->out, "input_options", options) < 0)
		ch->failed = true;
}

static void put_name(struct channel *ch, uint64_t id)
{
	const char *name = ch->entry->name;
	char numbered[32];

	snprintf(numbered, sizeof(numbered), "Channel %llu", (unsigned long long)id);
	if (name[0] == '\0')
		name = value_of(ch->entry, "tvg-name");
	put_key(ch, "name", name != NULL ? name : numbered);
}

static void put_source(struct channel *ch)
{
	_cleanup_(buf_done) struct buf url = BUF_INIT;

	buf_add(&url, ch->entry->url, ch->url_len);
	if (buf_ok(&url))
		put_key(ch, "source", url.data != NULL ? url.data : "");
	else
		ch->failed = true;
}

static void put_known(struct channel *ch)
{
	const char *last = "";

	for (size_t i = 0; i < array_size(RULES); i++) {
		const char *value = value_of(ch->entry, RULES[i].attribute);

		if (value == NULL && strcmp(RULES[i].attribute, "group-title") == 0 &&
		    ch->entry->group[0] != '\0')
			value = ch->entry->group;
		if (value == NULL || strcmp(RULES[i].key, last) == 0)
			continue;
		put_key(ch, RULES[i].key, value);
		last = RULES[i].key;
	}
}

static bool is_known(const char *name)
{
	for (size_t i = 0; i < array_size(RULES); i++)
		if (strcmp(RULES[i].attribute, name) == 0)
			return true;
	return false;
}

/* A name without the prefix that put_other_key() gives it. */
static const char *without_prefix(const char *name)
{
	size_t n = strlen(PREFIX);

	if (strncmp(name, PREFIX, n) != 0 || !is_reserved(name + n) || is_known(name + n))
		return name;
	return name + n;
}

/* True if pair `i` is the first of its key. */
static bool is_first(const struct m3u_entry *entry, size_t i)
{
	const char *name = without_prefix(entry->pairs[i].name);

	for (size_t j = 0; j < i; j++)
		if (strcmp(without_prefix(entry->pairs[j].name), name) == 0)
			return false;
	return true;
}

static void put_other(struct channel *ch, const struct m3u_pair *pair)
{
	_cleanup_(buf_done) struct buf key = BUF_INIT;
	const char *name = without_prefix(pair->name);

	buf_printf(&key, "%s%s", is_reserved(name) ? PREFIX : "", name);
	if (buf_ok(&key))
		put_key(ch, key.data, pair->value);
	else
		ch->failed = true;
}

static void put_others(struct channel *ch)
{
	const struct m3u_entry *entry = ch->entry;

	for (size_t i = 0; i < entry->pair_count; i++) {
		const struct m3u_pair *pair = &entry->pairs[i];

		if (is_known(pair->name) || is_input_option(ch, pair->name) || !is_first(entry, i))
			continue;
		put_other(ch, pair);
	}
}

bool import_is_local(const struct m3u_entry *entry)
{
	return text_is_local(entry->url);
}

json_t *import_channel(const struct m3u_entry *entry, uint64_t id, const char *profile)
{
	struct channel ch = {.entry = entry, .out = json_object()};

	assert(id > 0);
	ch.http = strncasecmp(entry->url, "http://", 7) == 0 ||
		  strncasecmp(entry->url, "https://", 8) == 0;
	read_options(&ch);
	put_name(&ch, id);
	put_source(&ch);
	put_key(&ch, "ffmpeg_profile", profile);
	put_known(&ch);
	put_others(&ch);
	put_options(&ch);
	if (!buf_ok(&ch.user_agent) || !buf_ok(&ch.referer) || !buf_ok(&ch.headers))
		ch.failed = true;
	buf_done(&ch.user_agent);
	buf_done(&ch.referer);
	buf_done(&ch.headers);
	if (!ch.failed)
		return ch.out;
	json_decref(ch.out);
	return NULL;
}

static void put_yaml(struct buf *out, const char *indent, const char *key, const json_t *value)
{
	const char *inner;
	json_t *item;

	buf_puts(out, indent);
	/* quoted, because a name may be a word of YAML, such as "on" */
	if (is_reserved(key) || json_is_object(value) || strlen(indent) > 4)
		buf_puts(out, key);
	else
		yaml_put_quoted(out, key);
	buf_puts(out, json_is_object(value) ? ":\n" : ": ");
	if (json_is_object(value)) {
		json_object_foreach ((json_t *)(uintptr_t)value, inner, item)
			put_yaml(out, "      ", inner, item);
		return;
	}
	yaml_put_value(out, json_string_value(value));
	buf_putc(out, '\n');
}

void import_put_yaml(struct buf *out, uint64_t id, const json_t *channel)
{
	const char *key;
	json_t *value;

	buf_printf(out, "  - id: %llu\n", (unsigned long long)id);
	json_object_foreach ((json_t *)(uintptr_t)channel, key, value)
		put_yaml(out, "    ", key, value);
}
