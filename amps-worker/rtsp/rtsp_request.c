#include "amps-worker/rtsp/rtsp_request.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "common/text/text.h"

#define PACKET_HEAD 4u /* '$', channel, length */
#define PORT_LEAST  1024u
#define CHANNEL_MAX 255u

const char *rtsp_method_name(enum rtsp_method method)
{
	static const char *const names[RTSP_UNKNOWN] = {
		[RTSP_OPTIONS] = "OPTIONS",
		[RTSP_DESCRIBE] = "DESCRIBE",
		[RTSP_SETUP] = "SETUP",
		[RTSP_PLAY] = "PLAY",
		[RTSP_PAUSE] = "PAUSE",
		[RTSP_GET_PARAMETER] = "GET_PARAMETER",
		[RTSP_SET_PARAMETER] = "SET_PARAMETER",
		[RTSP_TEARDOWN] = "TEARDOWN",
		[RTSP_ANNOUNCE] = "ANNOUNCE",
		[RTSP_RECORD] = "RECORD",
		[RTSP_REDIRECT] = "REDIRECT",
	};

	assert(method < RTSP_UNKNOWN);
	return names[method];
}

static enum rtsp_method find_method(struct span text)
{
	enum rtsp_method method = RTSP_OPTIONS;

	while (method < RTSP_UNKNOWN && !span_is(text, rtsp_method_name(method)))
		method++;
	return method;
}

/* A whole number without sign, at most max. */
static bool read_number(struct span s, uint64_t max, uint64_t *ret)
{
	char text[24];

	if (s.len >= sizeof(text))
		return false;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	return text_parse_u64(text, max, ret) == 0;
}

static bool read_cseq(const struct http_request *http, uint32_t *ret)
{
	uint64_t value;
	size_t times = 0;

	for (size_t i = 0; i < http->field_count; i++)
		times += span_is_nocase(http->fields[i].name, "CSeq");
	if (times != 1 || !read_number(http_field(http, "CSeq"), UINT32_MAX, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

static enum rtsp_item read_request(struct rtsp_reader *r, const char *bytes, size_t len,
				   size_t *ret_used, struct rtsp_request *ret, int *ret_status,
				   const char **ret_reason)
{
	switch (http_parse_rtsp_head(bytes, len, &r->scanned, &ret->http, ret_status, ret_reason)) {
	case HTTP_HEAD_INCOMPLETE:
		return RTSP_ITEM_NONE;
	case HTTP_HEAD_BAD:
		return RTSP_ITEM_BAD;
	default:
		break;
	}
	ret->method = find_method(ret->http.method_text);
	if (!read_cseq(&ret->http, &ret->cseq)) {
		*ret_status = 400;
		*ret_reason = "the request has not one CSeq field with a number";
		return RTSP_ITEM_BAD;
	}
	*ret_used += ret->http.head_bytes;
	r->scanned = 0;
	r->skip = (size_t)ret->http.content_length;
	return RTSP_ITEM_REQUEST;
}

enum rtsp_item rtsp_read(struct rtsp_reader *r, const char *bytes, size_t len, size_t *ret_used,
			 struct rtsp_request *ret, uint8_t *ret_channel, int *ret_status,
			 const char **ret_reason)
{
	size_t skipped = MIN(r->skip, len);

	*ret_used = skipped;
	r->skip -= skipped;
	bytes += skipped;
	len -= skipped;
	if (len == 0)
		return RTSP_ITEM_NONE;
	if (bytes[0] != '$' || r->scanned)
		return read_request(r, bytes, len, ret_used, ret, ret_status, ret_reason);
	if (len < PACKET_HEAD)
		return RTSP_ITEM_NONE;
	*ret_channel = (uint8_t)bytes[1];
	*ret_used += PACKET_HEAD;
	r->skip = (size_t)(uint8_t)bytes[2] << 8 | (uint8_t)bytes[3];
	return RTSP_ITEM_PACKET;
}

/* Takes what stands before the next ';' off *rest.  False: there is nothing more. */
static bool next_parameter(struct span *rest, struct span *ret)
{
	const char *end;
	size_t n;

	if (!rest->len)
		return false;
	end = memchr(rest->at, ';', rest->len);
	n = end ? (size_t)(end - rest->at) : rest->len;
	*ret = span_trim((struct span){rest->at, n});
	n += end != NULL;
	*rest = (struct span){rest->at + n, rest->len - n};
	return true;
}

/* "a-b", or "a", which means "a-(a+1)". */
static bool read_pair(struct span s, uint64_t least, uint64_t most, uint64_t ret[2])
{
	const char *dash = memchr(s.at, '-', s.len);
	size_t first = dash ? (size_t)(dash - s.at) : s.len;

	if (!read_number((struct span){s.at, first}, most, &ret[0]) || ret[0] < least)
		return false;
	ret[1] = ret[0] + 1;
	if (dash && (!read_number((struct span){dash + 1, s.len - first - 1}, most, &ret[1]) ||
		     ret[1] < least))
		return false;
	return ret[1] <= most && ret[0] != ret[1];
}

/* Is this the address of the peer?  Media go nowhere else. */
static bool is_peer(struct span text, const struct in6_addr *peer)
{
	struct in6_addr a = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
	char name[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(name))
		return false;
	memcpy(name, text.at, text.len);
	name[text.len] = '\0';
	if (inet_pton(AF_INET, name, &a.s6_addr[12]) != 1 && inet_pton(AF_INET6, name, &a) != 1)
		return false;
	return memcmp(&a, peer, sizeof(a)) == 0;
}

static struct span unquoted(struct span s)
{
	if (s.len >= 2 && s.at[0] == '"' && s.at[s.len - 1] == '"')
		return (struct span){s.at + 1, s.len - 2};
	return s;
}

/* One parameter of a way; false: the server cannot follow it. */
static bool take_parameter(struct span name, struct span value, const struct in6_addr *peer,
			   struct rtsp_transport *t)
{
	uint64_t pair[2];

	if (span_is_nocase(name, "multicast"))
		return false;
	if (span_is_nocase(name, "destination"))
		return value.len == 0 || is_peer(value, peer);
	if (span_is_nocase(name, "mode"))
		return span_is_nocase(unquoted(value), "play");
	if (span_is_nocase(name, "interleaved") && !t->udp) {
		if (!read_pair(value, 0, CHANNEL_MAX, pair))
			return false;
		t->channels[0] = (uint8_t)pair[0];
		t->channels[1] = (uint8_t)pair[1];
	}
	if (span_is_nocase(name, "client_port") && t->udp) {
		if (!read_pair(value, PORT_LEAST, UINT16_MAX, pair))
			return false;
		t->ports[0] = (uint16_t)pair[0];
		t->ports[1] = (uint16_t)pair[1];
	}
	return true;
}

/* One of the ways that a client offers. */
static bool read_way(struct span way, bool udp, const struct in6_addr *peer,
		     struct rtsp_transport *ret)
{
	static const struct {
		const char *name;
		bool udp;
	} profiles[] = {{"RTP/AVP/TCP", false},	 {"RTP/AVP", true},  {"RTP/AVP/UDP", true},
			{"MP2T/RTP/TCP", false}, {"MP2T/RTP", true}, {"MP2T/RTP/UDP", true}};
	struct rtsp_transport t = {.channels = {0, 1}};
	struct span parameter;
	size_t i = 0;

	if (!next_parameter(&way, &t.profile))
		return false;
	while (i < array_size(profiles) && !span_is_nocase(t.profile, profiles[i].name))
		i++;
	if (i == array_size(profiles) || (profiles[i].udp && !udp))
		return false;
	t.udp = profiles[i].udp;
	while (next_parameter(&way, &parameter)) {
		const char *sign = memchr(parameter.at, '=', parameter.len);
		size_t n = sign ? (size_t)(sign - parameter.at) : parameter.len;
		struct span value = {parameter.at + n, parameter.len - n};

		if (sign)
			value = span_trim((struct span){value.at + 1, value.len - 1});
		if (!take_parameter(span_trim((struct span){parameter.at, n}), value, peer, &t))
			return false;
	}
	if (t.udp && !t.ports[0])
		return false;
	*ret = t;
	return true;
}

int rtsp_choose_transport(struct span field, bool udp, const struct in6_addr *peer,
			  struct rtsp_transport *ret)
{
	struct span way;

	while (http_next_element(&field, &way))
		if (read_way(way, udp, peer, ret))
			return 0;
	return -ENOENT;
}

struct span rtsp_session_of(const struct rtsp_request *q)
{
	struct span value = http_field(&q->http, "Session"), id = {0};

	next_parameter(&value, &id);
	return id;
}

bool rtsp_path_channel(struct span path, struct span *ret)
{
	struct span id = path, rest;
	const char *slash;

	if (path.len < 2 || path.at[0] != '/')
		return false;
	id.at++;
	id.len--;
	slash = memchr(id.at, '/', id.len);
	rest = (struct span){id.at + id.len, 0};
	if (slash) {
		rest = (struct span){slash + 1, (size_t)(id.at + id.len - slash - 1)};
		id.len = (size_t)(slash - id.at);
	}
	*ret = id;
	return id.len && (!rest.len || span_is(rest, RTSP_TRACK));
}
