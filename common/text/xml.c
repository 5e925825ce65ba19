#include "common/text/xml.h"

#include <string.h>

#include "common/text/utf8.h"

static const char *escape_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\t':
	case '\n':
	case '\r':
		return " ";
	default:
		return (unsigned char)c < ' ' || c == 0x7f ? "" : NULL;
	}
}

/* The bytes that can be copied as they are. */
static size_t plain_run(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && (unsigned char)text[n] < 0x80 && !escape_of(text[n]))
		n++;
	return n;
}

void xml_put(struct buf *b, const char *text, size_t len)
{
	for (size_t at = 0, n; at < len; at += n) {
		const char *escape;
		uint32_t c;

		n = plain_run(text + at, len - at);
		if (n > 0) {
			buf_add(b, text + at, n);
			continue;
		}
		escape = escape_of(text[at]);
		n = escape ? 1 : utf8_next(text + at, len - at, &c);
		if (escape)
			buf_puts(b, escape);
		else if (n == 0)
			buf_putc(b, '?');
		else if (c < 0xfffe || c > 0xffff)
			buf_add(b, text + at, n);
		n = MAX(n, 1u);
	}
}

void xml_element(struct buf *b, const char *name, const char *text)
{
	if (!text)
		return;
	buf_printf(b, "<%s>", name);
	xml_put(b, text, strlen(text));
	buf_printf(b, "</%s>", name);
}

void xml_read(struct buf *b, const char *text, size_t len)
{
	static const struct {
		const char *name;
		char c;
	} names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}};

	for (size_t at = 0, n; at < len; at += n) {
		const char *end = memchr(text + at, '&', len - at);

		n = end ? (size_t)(end - text) - at : len - at;
		buf_add(b, text + at, n);
		for (size_t i = 0; n == 0 && i < array_size(names); i++) {
			size_t m = strlen(names[i].name);

			if (m <= len - at && memcmp(text + at, names[i].name, m) == 0) {
				buf_putc(b, names[i].c);
				n = m;
			}
		}
		if (n == 0) {
			buf_putc(b, '&');
			n = 1;
		}
	}
}
