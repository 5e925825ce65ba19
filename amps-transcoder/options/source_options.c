#include "amps-transcoder/options/source_options.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <libavutil/opt.h>
#include <libavutil/parseutils.h>

#include "amps-transcoder/options/options.h"
#include "common/log/log.h"
#include "common/text/buf.h"
#include "common/text/text.h"

/* "vn" and its like.  False: it is another option. */
static bool take_without(struct source_options *o, const char *name, const char *value)
{
	static const struct {
		const char *name;
		enum AVMediaType type;
	} names[] = {{"vn", AVMEDIA_TYPE_VIDEO},
		     {"an", AVMEDIA_TYPE_AUDIO},
		     {"sn", AVMEDIA_TYPE_SUBTITLE},
		     {"dn", AVMEDIA_TYPE_DATA}};

	for (size_t i = 0; i < array_size(names); i++) {
		if (strcmp(names[i].name, name) != 0)
			continue;
		o->without[names[i].type] = option_flag_on(value);
		return true;
	}
	return false;
}

/* One option; value NULL = none given.  0 or -EINVAL. */
static int take_option(struct source_options *o, const char *name, const char *value)
{
	const struct option_def *known = option_find(name, OPTION_INPUT);
	const char *text = value ? value : "";

	if (take_without(o, name, value))
		return 0;
	if (!strcmp(name, "re"))
		o->re = option_flag_on(value);
	else if (!strcmp(name, "readrate"))
		o->re = strtod(text, NULL) > 0;
	else if (!strcmp(name, "stream_loop"))
		o->loop = strtoll(text, NULL, 10);
	else if (!strcmp(name, "f") || !strcmp(name, "format"))
		text_copy(o->format, sizeof(o->format), text);
	else if (!strcmp(name, "ss"))
		return av_parse_time(&o->seek_us, text, 1) < 0 ? -EINVAL : 0;
	else if (!strcmp(name, "t"))
		return av_parse_time(&o->length_us, text, 1) < 0 ? -EINVAL : 0;
	else if (!strcmp(name, "to"))
		return av_parse_time(&o->until_us, text, 1) < 0 ? -EINVAL : 0;
	else if (!strcmp(name, "programid"))
		o->programme = strtoll(text, NULL, 0);
	else if (!known || known->kind != OPTION_IGNORED)
		av_dict_set(&o->libav, name, value ? value : "1", 0);
	return 0;
}

/* A JSON scalar as a text for libav; NULL for another type. */
static const char *scalar_text(const json_t *v, char *dst, size_t cap)
{
	if (json_is_string(v))
		return json_string_value(v);
	if (json_is_integer(v))
		snprintf(dst, cap, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		snprintf(dst, cap, "%g", json_real_value(v));
	else if (json_is_boolean(v))
		snprintf(dst, cap, "%d", json_is_true(v));
	else
		return NULL;
	return dst;
}

static int take_pairs(struct source_options *o, const json_t *pairs)
{
	json_t *pair;
	size_t i;

	json_array_foreach (pairs, i, pair) {
		const char *name = json_string_value(json_array_get(pair, 0));
		char number[64];
		int r = name ? take_option(
				       o, name,
				       scalar_text(json_array_get(pair, 1), number, sizeof(number)))
			     : -EINVAL;

		if (r < 0)
			return r;
	}
	return 0;
}

/* ["-stream_loop","-1","-re"]: a value follows every name that is not a flag. */
static int take_args(struct source_options *o, const json_t *args)
{
	for (size_t i = 0; i < json_array_size(args); i++) {
		const char *name = json_string_value(json_array_get(args, i));
		const struct option_def *known;
		const char *value = NULL;
		char number[64];
		int r;

		if (!name || *name != '-' || !name[1])
			return -EINVAL;
		name++;
		known = option_find(name, OPTION_INPUT);
		if ((!known || known->value != VALUE_FLAG) && i + 1 < json_array_size(args))
			value = scalar_text(json_array_get(args, ++i), number, sizeof(number));
		r = take_option(o, name, value);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Headers that came with the source's address go in front of the operator's. */
static void take_headers(struct source_options *o, const json_t *headers)
{
	const AVDictionaryEntry *own = av_dict_get(o->libav, "headers", NULL, 0);
	const AVDictionaryEntry *agent = av_dict_get(o->libav, "user_agent", NULL, 0);
	struct buf text = BUF_INIT;
	json_t *pair;
	size_t i;

	json_array_foreach (headers, i, pair) {
		const char *name = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (name && value && !(agent && strcasecmp(name, "User-Agent") == 0))
			buf_printf(&text, "%s: %s\r\n", name, value);
	}
	if (text.len > 0 && own)
		buf_puts(&text, own->value);
	if (text.len > 0 && buf_ok(&text))
		av_dict_set(&o->libav, "headers", text.data, 0);
	buf_done(&text);
}

/* The operator's replace those that came with the source's address. */
static void take_cookies(struct source_options *o, const char *cookies)
{
	if (cookies)
		av_dict_set(&o->libav, "cookies", cookies, AV_DICT_DONT_OVERWRITE);
}

int source_options_read(struct source_options *o, const json_t *spec)
{
	int r = take_pairs(o, json_object_get(spec, "input_options"));

	if (r == 0)
		r = take_args(o, json_object_get(spec, "input_args"));
	take_headers(o, json_object_get(spec, "http_headers"));
	take_cookies(o, json_string_value(json_object_get(spec, "cookies")));
	if (r < 0 || o->until_us == 0 || o->length_us != 0)
		return r;
	o->length_us = o->until_us - o->seek_us;
	return o->length_us > 0 ? 0 : -EINVAL;
}

void source_options_done(struct source_options *o)
{
	av_dict_free(&o->libav);
}

void source_options_for_libav(const struct source_options *o, AVDictionary **d)
{
	const AVDictionaryEntry *e = NULL;
	char layout[32];

	while ((e = av_dict_get(o->libav, "", e, AV_DICT_IGNORE_SUFFIX))) {
		bool channels = !strcmp(e->key, "ac");

		/* a number of channels, without an order */
		snprintf(layout, sizeof(layout), "%.16sC", e->value);
		av_dict_set(d, option_input_name(e->key), channels ? layout : e->value, 0);
	}
}

static bool demuxer_has(const char *name)
{
	const AVClass *any = avformat_get_class();
	const AVInputFormat *ts = av_find_input_format("mpegts");

	return av_opt_find(&any, name, NULL, AV_OPT_FLAG_DECODING_PARAM, AV_OPT_SEARCH_FAKE_OBJ) ||
	       (ts && option_find_demuxer(ts, name));
}

void source_options_unused(const char *name)
{
	log_warn("nothing in this source takes the option '%s', ignoring it", name);
}

static void report_leftover(const struct source_options *o, const AVDictionary *left, bool ts)
{
	const AVDictionaryEntry *e = NULL;

	while ((e = av_dict_get(o->libav, "", e, AV_DICT_IGNORE_SUFFIX))) {
		const char *name = option_input_name(e->key);

		if (av_dict_get(left, name, NULL, 0) && !(ts && demuxer_has(name)))
			source_options_unused(e->key);
	}
}

void source_options_leftover(const struct source_options *o, const AVDictionary *left)
{
	report_leftover(o, left, false);
}

void source_options_leftover_ts(const struct source_options *o, const AVDictionary *left)
{
	report_leftover(o, left, true);
}

bool source_options_without_any(const struct source_options *o)
{
	for (size_t i = 0; i < array_size(o->without); i++)
		if (o->without[i])
			return true;
	return false;
}

void source_options_discard(const struct source_options *o, AVFormatContext *demuxer)
{
	for (unsigned i = 0; i < demuxer->nb_streams; i++) {
		enum AVMediaType type = demuxer->streams[i]->codecpar->codec_type;

		if (type >= 0 && type < AVMEDIA_TYPE_NB && o->without[type])
			demuxer->streams[i]->discard = AVDISCARD_ALL;
	}
}

void source_options_common(AVDictionary **left, const AVDictionary *other)
{
	const AVDictionaryEntry *e = NULL;
	AVDictionary *both = NULL;

	while ((e = av_dict_get(*left, "", e, AV_DICT_IGNORE_SUFFIX)))
		if (av_dict_get(other, e->key, NULL, 0))
			av_dict_set(&both, e->key, e->value, 0);
	av_dict_free(left);
	*left = both;
}
