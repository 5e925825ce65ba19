#include "amps-worker/lineup/m3u.h"

#include <string.h>
#include <strings.h>

/* Length of the character at `at` if no line may contain it, else 0: C0 and C1 controls, DEL,
 * U+2028 and U+2029 (line ends to some readers). */
static size_t forbidden(const unsigned char *at)
{
	if (at[0] < 0x20 || at[0] == 0x7f)
		return 1;
	if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
		return 2;
	return at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9) ? 3 : 0;
}

static bool is_plain(unsigned char c, bool commas)
{
	return c >= 0x20 && c != '"' && c != 0x7f && c != 0xc2 && c != 0xe2 && (c != ',' || commas);
}

/* Copies runs of plain characters: nearly every value is one run. */
static bool add_clean(struct buf *b, const char *text, bool commas)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t before = b->len;

	while (*at) {
		size_t n = 0;

		while (at[n] && is_plain(at[n], commas))
			n++;
		buf_add(b, at, n);
		at += n;
		if (!*at)
			break;
		n = forbidden(at);
		if (n == 0) {
			if (*at == '"')
				buf_putc(b, '\'');
			else if (*at != ',')
				buf_putc(b, (char)*at);
			n = 1;
		}
		at += n;
	}
	return b->len > before;
}

/* Removes what was appended since `before` if it is only blanks, which readers trim. */
static bool keep_visible(struct buf *b, size_t before)
{
	for (size_t i = before; i < b->len; i++)
		if (b->data[i] != ' ')
			return true;
	b->len = before;
	return false;
}

bool m3u_text(struct buf *b, const char *text)
{
	size_t before = b->len;

	add_clean(b, text, true);
	return keep_visible(b, before);
}

bool m3u_name(struct buf *b, const char *text)
{
	size_t before = b->len;

	add_clean(b, text, false);
	return keep_visible(b, before);
}

/* Readers that search a whole line for `group-title="` would find that attribute in the value
 * `x group-title=` with its closing quote. */
static bool ends_like_attribute(const struct buf *b)
{
	static const char *const ends[] = {"tvg-id=",	   "tvg-name=",	      "tvg-logo=",
					   "group-title=", "channel-number=", "tvg-chno="};

	for (size_t i = 0; i < array_size(ends); i++) {
		size_t n = strlen(ends[i]);

		if (b->len > n && strncasecmp(b->data + b->len - n, ends[i], n) == 0)
			return true;
	}
	return false;
}

void m3u_attribute(struct buf *b, const char *name, const char *value)
{
	size_t before = b->len;

	if (!value)
		return;
	buf_putc(b, ' ');
	buf_puts(b, name);
	buf_add(b, "=\"", 2);
	if (!add_clean(b, value, true)) {
		/* some readers cannot read an empty value */
		b->len = before;
		return;
	}
	if (ends_like_attribute(b))
		buf_putc(b, ' ');
	buf_putc(b, '"');
}

void m3u_encode(struct buf *b, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		    strchr("-._~", c)) {
			buf_putc(b, (char)c);
		} else {
			char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};

			buf_add(b, escaped, sizeof(escaped));
		}
	}
}
