#include "common/text/group.h"

#include <string.h>

struct cursor {
	const unsigned char *at, *end;
};

static bool is_white(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct cursor trimmed(const char *text, size_t len)
{
	while (len && is_white(text[0])) {
		text++;
		len--;
	}
	while (len && is_white(text[len - 1]))
		len--;
	return (struct cursor){(const unsigned char *)text, (const unsigned char *)text + len};
}

/* The next code point; a byte that is not UTF-8 is its own. */
static uint32_t next_point(struct cursor *c)
{
	uint32_t first = *c->at++;

	if (first >= 0xc2 && first < 0xe0 && c->at < c->end && (*c->at & 0xc0) == 0x80)
		return (first & 0x1f) << 6 | (*c->at++ & 0x3f);
	return first < 0x80 ? first : 0x80000000u | first;
}

uint32_t group_fold(uint32_t c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
	    (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
		return c + 0x20;
	if (c >= 0x400 && c <= 0x40f)
		return c + 0x50;
	/* Latin Extended-A: capital and small letters alternate; which is even changes */
	if ((c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) || (c >= 0x14a && c <= 0x177))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c + (c & 1);
	return c;
}

bool group_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
	struct cursor x = trimmed(a, a_len), y = trimmed(b, b_len);

	while (x.at < x.end && y.at < y.end)
		if (group_fold(next_point(&x)) != group_fold(next_point(&y)))
			return false;
	return x.at == x.end && y.at == y.end;
}

/* Takes the next element that is not empty off a comma-separated list. */
static bool next_element(struct cursor *rest, struct cursor *ret)
{
	while (rest->at < rest->end) {
		const unsigned char *comma = memchr(rest->at, ',', (size_t)(rest->end - rest->at));
		const unsigned char *end = comma ? comma : rest->end;

		*ret = trimmed((const char *)rest->at, (size_t)(end - rest->at));
		rest->at = comma ? comma + 1 : rest->end;
		if (ret->at < ret->end)
			return true;
	}
	return false;
}

static struct cursor whole(const char *list)
{
	return (struct cursor){(const unsigned char *)list,
			       (const unsigned char *)list + strlen(list)};
}

bool group_in_list(const char *list, const char *group)
{
	struct cursor rest = whole(list), name;

	while (next_element(&rest, &name))
		if (group_equal((const char *)name.at, (size_t)(name.end - name.at), group,
				strlen(group)))
			return true;
	return false;
}

bool group_list_empty(const char *list)
{
	struct cursor rest = whole(list), name;

	return !next_element(&rest, &name);
}
