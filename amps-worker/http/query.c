/* query.c - decodes the values of a query, and path segments (parse.h) */
#include "amps-worker/http/parse.h"

#include <assert.h>
#include <string.h>

#include "common/text/text.h"
#include "common/text/utf8.h"

/* One decoded byte at *i, which advances, or -EINVAL. */
static int decode_byte(struct span s, size_t *i, bool plus_is_space)
{
	char c = s.at[(*i)++];
	int byte;

	assert(*i <= s.len);
	if (c != '%')
		return c == '+' && plus_is_space ? ' ' : (unsigned char)c;
	byte = text_percent_byte(s.at + *i - 1, s.len - *i + 1);
	*i += byte < 0 ? 0 : 2;
	return byte < 0 ? -EINVAL : byte;
}

static int decode(struct span s, bool plus_is_space, char *dst, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len;) {
		int c = decode_byte(s, &i, plus_is_space);

		if (c < 0x20 || c == 0x7f)
			return -EINVAL;
		if (n + 1 >= cap)
			return -E2BIG;
		dst[n++] = (char)c;
	}
	if (cap == 0)
		return -E2BIG;
	dst[n] = '\0';
	return utf8_valid(dst, n) ? 0 : -EINVAL;
}

/* Is `s`, still encoded, this name? */
static bool name_is(struct span s, const char *name)
{
	size_t i = 0;

	for (; i < s.len && *name; name++)
		if (decode_byte(s, &i, true) != (unsigned char)*name)
			return false;
	return i == s.len && !*name;
}

/* Takes the next parameter off a query.  False: there is none. */
static bool next_parameter(struct span *rest, struct http_parameter *ret)
{
	const char *amp, *equals;
	size_t n, name_len, value_at;

	if (!rest->len)
		return false;
	amp = memchr(rest->at, '&', rest->len);
	n = amp ? (size_t)(amp - rest->at) : rest->len;
	equals = memchr(rest->at, '=', n);
	name_len = equals ? (size_t)(equals - rest->at) : n;
	value_at = equals ? name_len + 1 : n;
	*ret = (struct http_parameter){{rest->at, name_len}, {rest->at + value_at, n - value_at}};
	n += amp != NULL;
	*rest = (struct span){rest->at + n, rest->len - n};
	return true;
}

void http_parse_query(struct http_request *r)
{
	r->parameter_count = 0;
	r->query_rest = r->query;
	while (r->parameter_count < HTTP_PARAMETERS_MAX &&
	       next_parameter(&r->query_rest, &r->parameters[r->parameter_count]))
		r->parameter_count++;
}

int http_query(const struct http_request *r, const char *name, char *dst, size_t cap)
{
	struct span rest = r->query_rest;
	struct http_parameter p;
	size_t i = 0;
	int res;

	do {
		if (i < r->parameter_count)
			p = r->parameters[i++];
		else if (!next_parameter(&rest, &p))
			return 0;
	} while (!name_is(p.name, name));
	res = decode(p.value, true, dst, cap);
	return res < 0 ? res : 1;
}

int http_decode_segment(struct span segment, char *dst, size_t cap)
{
	return decode(segment, false, dst, cap);
}
