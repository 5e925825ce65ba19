/* http_query.c - values of a query and path segments, percent-decoded (http_parse.h). */
#include <string.h>
#include "amps-worker/http_parse.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One decoded byte at *i (which moves on), or -EINVAL. */
static int decode_byte(struct span s, size_t *i, bool plus_is_space)
{
	char c = s.at[(*i)++];
	int high, low;

	if (c == '+' && plus_is_space)
		return ' ';
	if (c != '%')
		return (unsigned char)c;
	if (s.len - *i < 2)
		return -EINVAL;
	high = hex_digit(s.at[*i]);
	low = hex_digit(s.at[*i + 1]);
	if (high < 0 || low < 0)
		return -EINVAL;
	*i += 2;
	return high * 16 + low;
}

/* Bytes of the UTF-8 sequence that begins at `at`, or 0: overlong forms, surrogates and what lies
 * beyond U+10FFFF are no UTF-8 (RFC 3629 section 4). */
static size_t utf8_sequence(const unsigned char *at, size_t len)
{
	size_t n = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

	if (n == 0 || n > len || at[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return n;
}

static bool is_utf8(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence((const unsigned char *)text + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
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
	return is_utf8(dst, n) ? 0 : -EINVAL;
}

/* Does the (still encoded) name of a query value mean `name`? */
static bool name_is(struct span s, const char *name)
{
	size_t i = 0;

	for (; i < s.len && *name; name++)
		if (decode_byte(s, &i, true) != (unsigned char)*name)
			return false;
	return i == s.len && !*name;
}

int http_query(const struct http_request *r, const char *name, char *dst, size_t cap)
{
	struct span rest = r->query;

	while (rest.len) {
		const char *amp = memchr(rest.at, '&', rest.len);
		size_t n = amp ? (size_t)(amp - rest.at) : rest.len;
		const char *equals = memchr(rest.at, '=', n);
		size_t name_len = equals ? (size_t)(equals - rest.at) : n;
		size_t value_at = equals ? name_len + 1 : n;

		if (name_is((struct span){rest.at, name_len}, name)) {
			int res = decode((struct span){rest.at + value_at, n - value_at}, true, dst,
					 cap);
			return res < 0 ? res : 1;
		}
		n += amp != NULL;
		rest.at += n;
		rest.len -= n;
	}
	return 0;
}

int http_decode_segment(struct span segment, char *dst, size_t cap)
{
	return decode(segment, false, dst, cap);
}
