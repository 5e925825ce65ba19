#include "amps-master/api/links.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "common/clock.h"
#include "common/text/link.h"
#include "common/text/text.h"

#define TTL_DEFAULT "4h"

static int fail(int error, char *reason, const char *text)
{
	snprintf(reason, ERROR_TEXT_MAX, "%s", text);
	return error;
}

/* The text of a member, or of a number; "" = absent; NULL: it is neither. */
static const char *text_of(const json_t *asked, const char *key, char number[24])
{
	const json_t *value = json_object_get(asked, key);

	if (value == NULL || json_is_null(value))
		return "";
	if (!json_is_integer(value))
		return json_string_value(value);
	snprintf(number, 24, "%lld", (long long)json_integer_value(value));
	return number;
}

static bool read_address(const char *text, char address[LINK_ADDRESS_MAX])
{
	unsigned char bytes[16];

	return text != NULL && text_copy(address, LINK_ADDRESS_MAX, text) &&
	       (text[0] == '\0' || inet_pton(AF_INET, text, bytes) == 1 ||
		inet_pton(AF_INET6, text, bytes) == 1);
}

static int read_asked(const json_t *asked, struct link *l, char *reason)
{
	char number[24];
	const char *text = text_of(asked, "channel", number);
	int64_t seconds;
	uint64_t id;

	if (text == NULL || text_parse_u64(text, CHANNEL_ID_MAX, &id) < 0)
		return fail(-EINVAL, reason, "channel: must be the id of a channel");
	l->channel = (uint32_t)id;
	text = text_of(asked, "ttl", number);
	if (text == NULL || link_parse_seconds(text[0] != '\0' ? text : TTL_DEFAULT, &seconds) < 0)
		return fail(-EINVAL, reason,
			    "ttl: must be how long the link holds, such as 30m, 4h or 7d");
	l->expires_s = clock_wall_us() / 1000000 + seconds;
	if (!read_address(text_of(asked, "ip", number), l->address))
		return fail(-EINVAL, reason, "ip: must be an address");
	text = text_of(asked, "region", number);
	if (text == NULL || (text[0] != '\0' && !text_region(text, strlen(text), l->region)))
		return fail(-EINVAL, reason, "region: must be a code of two letters");
	return 0;
}

static void read_key(const char *text, uint8_t key[LINK_KEY_BYTES])
{
	assert(strlen(text) == 2 * LINK_KEY_BYTES);
	for (size_t i = 0; i < LINK_KEY_BYTES; i++)
		key[i] = (uint8_t)(text_hex_value(text[2 * i]) << 4 |
				   text_hex_value(text[2 * i + 1]));
}

int links_make(const char *key_text, const struct lineup *lineup, const char *base,
	       const json_t *asked, json_t **ret, char reason[ERROR_TEXT_MAX])
{
	uint8_t key[LINK_KEY_BYTES];
	char query[LINK_QUERY_MAX], expires[32];
	struct link l = {0};
	size_t at, n = strlen(base);
	int r = json_is_object(asked)
			? read_asked(asked, &l, reason)
			: fail(-EINVAL, reason, "an object is needed: {\"channel\": 5}");

	if (r < 0)
		return r;
	at = lineup != NULL ? channel_list_find(&lineup->channels, l.channel) : 0;
	if (lineup == NULL || at >= lineup->channels.count ||
	    lineup->channels.at[at]->id != l.channel)
		return fail(-ENOENT, reason, "there is no such channel");
	while (n > 0 && base[n - 1] == '/')
		n--;
	read_key(key_text, key);
	link_write(key, &l, query);
	explicit_bzero(key, sizeof(key));
	time_format_iso8601(l.expires_s * 1000000, expires);
	*ret = json_pack(
		"{s:o, s:o, s:o, s:s}", "url",
		json_sprintf("%.*s/stream/%u.ts?%s", (int)n, base, (unsigned)l.channel, query),
		"hls",
		json_sprintf("%.*s/hls/%u/index.m3u8?%s", (int)n, base, (unsigned)l.channel, query),
		"dash",
		json_sprintf("%.*s/dash/%u/manifest.mpd?%s", (int)n, base, (unsigned)l.channel,
			     query),
		"expires", expires);
	return *ret != NULL ? 0 : fail(-EINVAL, reason, "out of memory");
}
