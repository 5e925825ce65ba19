#include "amps-transcoder/source/udp_url.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <libavutil/eval.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>

#include "amps-transcoder/options/url.h"
#include "amps-transcoder/source/rtp_queue.h"
#include "common/text/text.h"

/* A setting has up to three names: the options' second one, and RTP's. */
#define BUFFER_SIZE "buffer_size"
#define CONNECT	    "connect"
#define LOCAL_ADDR  "localaddr"
#define SOURCES	    "sources"
#define BLOCK	    "block"
#define REORDER	    "reorder_queue_size"
#define MAX_DELAY   "max_delay"
static const char *const local_port_names[] = {"localport", "local_port", "localrtpport",
					       "local_rtpport", NULL};
static const char *const reuse_names[] = {"reuse", "reuse_socket", NULL};

static int wrong(const char *name, const char *value, const char *wanted)
{
	av_log(NULL, AV_LOG_ERROR, "%s=%s: %s\n", name, value, wanted);
	return -EINVAL;
}

/* The parameters of the query; the first one if a name occurs twice. */
static AVDictionary *query_of(const char *url)
{
	const char *at = strchr(url, '?');
	AVDictionary *d = NULL;

	while (at && *at && *at != '#') {
		size_t len = strcspn(++at, "&#"), name_len = MIN(strcspn(at, "="), len);
		char *name = av_strndup(at, name_len);
		char *value =
			av_strndup(at + name_len + 1, len > name_len ? len - name_len - 1 : 0);

		if (!name || !value || name_len == 0) {
			av_free(name);
			av_free(value);
		} else {
			av_dict_set(&d, name, value,
				    AV_DICT_DONT_STRDUP_KEY | AV_DICT_DONT_STRDUP_VAL |
					    AV_DICT_DONT_OVERWRITE);
		}
		at += len;
	}
	return d;
}

/* The setting's value or NULL. */
static const char *setting(const struct udp_url *u, const char *name)
{
	const AVDictionaryEntry *e = av_dict_get(u->query, name, NULL, 0);

	if (!e)
		e = av_dict_get(u->options, name, NULL, 0);
	return e ? e->value : NULL;
}

/* The first of the names, ended by NULL, that was given; *ret_value is NULL if none was. */
static const char *either(const struct udp_url *u, const char *const *names, const char **ret_value)
{
	while (!(*ret_value = setting(u, *names)) && names[1])
		names++;
	return *names;
}

static int text_setting(const struct udp_url *u, const char *name, char *dst, size_t cap)
{
	const char *value = setting(u, name);

	if (value && !text_copy(dst, cap, value))
		return wrong(name, value, "that is too long");
	return 0;
}

/* A whole number as ffmpeg writes it ("8M"), of -1 (its default) to max; NULL leaves *ret. */
static int number_setting(const char *name, const char *value, int max, const char *wanted,
			  int *ret)
{
	char *end;
	double number;

	if (!value)
		return 0;
	number = av_strtod(value, &end);
	if (end == value || *end || !(number >= -1 && number <= max) || number != (int)number)
		return wrong(name, value, wanted);
	*ret = (int)number;
	return 0;
}

/* NULL leaves *ret; a name alone means yes. */
static int bool_setting(const char *name, const char *value, int *ret)
{
	static const struct {
		const char *word;
		int means;
	} words[] = {{"", 1},	 {"1", 1},   {"true", 1}, {"yes", 1},	{"y", 1},
		     {"on", 1},	 {"0", 0},   {"no", 0},	  {"false", 0}, {"n", 0},
		     {"off", 0}, {"-1", -1}, {"auto", -1}};

	if (!value)
		return 0;
	for (size_t i = 0; i < array_size(words); i++)
		if (!strcasecmp(value, words[i].word)) {
			*ret = words[i].means;
			return 0;
		}
	return wrong(name, value, "neither yes (1) nor no (0)");
}

/* Settings of RTP reordering; -1, ffmpeg's default, means ours. */
static int read_reorder(struct udp_url *u)
{
	int packets = -1, delay = -1;
	int r = number_setting(REORDER, setting(u, REORDER), RTP_REORDER_MAX,
			       "no number of packets up to 900", &packets);

	if (r == 0)
		r = number_setting(MAX_DELAY, setting(u, MAX_DELAY), RTP_MAX_DELAY_MAX_US,
				   "no number of microseconds up to 5000000", &delay);
	u->reorder_packets = packets < 0 ? RTP_REORDER_PACKETS : packets;
	u->reorder_us = delay < 0 ? RTP_MAX_DELAY_US : delay;
	return r;
}

static int read_settings(struct udp_url *u)
{
	const char *value, *name = either(u, local_port_names, &value);
	int port = 0, connect = 0;
	int r = number_setting(name, value, UINT16_MAX, "no port", &port);

	u->local_port = (uint16_t)MAX(port, 0);
	if (r == 0)
		r = number_setting(BUFFER_SIZE, setting(u, BUFFER_SIZE), INT_MAX,
				   "no number of bytes", &u->buffer_bytes);
	name = either(u, reuse_names, &value);
	if (r == 0)
		r = bool_setting(name, value, &u->reuse);
	if (r == 0)
		r = bool_setting(CONNECT, setting(u, CONNECT), &connect);
	u->connect = connect > 0;
	if (r == 0)
		r = text_setting(u, LOCAL_ADDR, u->local, sizeof(u->local));
	if (r == 0)
		r = text_setting(u, BLOCK, u->block, sizeof(u->block));
	return r == 0 ? read_reorder(u) : r;
}

/* Players write "udp://@239.1.1.1:1234"; "source@group" names a sender. */
static int read_sources(struct udp_url *u, const char *source, size_t len)
{
	const char *more = setting(u, SOURCES);
	int n = snprintf(u->sources, sizeof(u->sources), "%.*s%s%s", (int)len, source,
			 len && more ? "," : "", more ? more : "");

	if (n < 0 || (size_t)n >= sizeof(u->sources))
		return wrong(SOURCES, u->sources, "that is too long");
	if (*u->sources && !u->sources[strspn(u->sources, ",")])
		return wrong(SOURCES, u->sources, "the list of senders is empty");
	if (*u->sources && *u->block)
		return wrong(BLOCK, u->block, "with senders named, all others are blocked already");
	return 0;
}

int udp_url_parse(const char *url, const AVDictionary *options, struct udp_url *ret)
{
	const char *begin = strstr(url, "://"), *end, *at, *colon;
	char port[8] = "";
	uint64_t number;
	int r;

	*ret = (struct udp_url){.buffer_bytes = -1, .reuse = -1};
	if (!begin)
		return -EINVAL;
	begin += 3;
	end = begin + strcspn(begin, "/?#");
	url_host(url, ret->host, sizeof(ret->host));
	colon = memrchr(begin, ':', (size_t)(end - begin));
	if (colon && end - colon <= (ptrdiff_t)sizeof(port))
		snprintf(port, sizeof(port), "%.*s", (int)(end - colon - 1), colon + 1);
	if (text_parse_u64(port, UINT16_MAX, &number) < 0 || number == 0) {
		av_log(NULL, AV_LOG_ERROR, "the URL needs a port, 1 to 65535\n");
		return -EINVAL;
	}
	ret->port = (uint16_t)number;
	ret->query = query_of(url);
	av_dict_copy(&ret->options, options, 0);
	at = memchr(begin, '@', (size_t)(end - begin));
	r = read_settings(ret);
	return r < 0 ? r : read_sources(ret, begin, at ? (size_t)(at - begin) : 0);
}

void udp_url_done(struct udp_url *u)
{
	av_dict_free(&u->query);
	av_dict_free(&u->options);
}

static void forget(struct udp_url *u, const char *name)
{
	av_dict_set(&u->query, name, NULL, 0);
	av_dict_set(&u->options, name, NULL, 0);
}

void udp_url_followed(struct udp_url *u, bool multicast)
{
	static const char *const of_both[] = {LOCAL_ADDR, BUFFER_SIZE, REORDER, MAX_DELAY, NULL};
	static const char *const of_groups[] = {SOURCES, BLOCK, NULL};
	static const char *const of_hosts[] = {CONNECT, NULL};
	const char *const *const lists[] = {of_both, reuse_names, multicast ? of_groups : of_hosts,
					    multicast ? NULL : local_port_names};

	for (size_t i = 0; i < array_size(lists); i++)
		for (const char *const *name = lists[i]; name && *name; name++)
			forget(u, *name);
}
