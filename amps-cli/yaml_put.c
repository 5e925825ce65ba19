#include "amps-cli/yaml_put.h"

#include <string.h>
#include "common/utf8.h"

static bool is_plain(uint32_t c)
{
	return (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') || (c >= 0xa0 && c < 0x2028) ||
	       (c > 0x2029 && c < 0xfeff) || (c > 0xfeff && c < 0xfffe) || c > 0xffff;
}

static void put_char(struct buf *out, const char *bytes, size_t n, uint32_t c)
{
	if (is_plain(c))
		buf_add(out, bytes, n);
	else if (c == '"' || c == '\\')
		buf_printf(out, "\\%c", (int)c);
	else if (c < 0x100)
		buf_printf(out, "\\x%02x", (unsigned)c);
	else
		buf_printf(out, "\\u%04x", (unsigned)c);
}

static void put(struct buf *out, const char *text, bool value)
{
	size_t len = strlen(text);

	buf_putc(out, '"');
	for (size_t at = 0; at < len;) {
		uint32_t c = '?';
		size_t n = utf8_next(text + at, len - at, &c);

		/* "$${" is a literal "${" */
		if (value && c == '$' && text[at + 1] == '{')
			buf_putc(out, '$');
		put_char(out, n > 0 ? text + at : "?", n > 0 ? n : 1, c);
		at += n > 0 ? n : 1;
	}
	buf_putc(out, '"');
}

void yaml_put_quoted(struct buf *out, const char *text)
{
	put(out, text, false);
}

void yaml_put_value(struct buf *out, const char *text)
{
	put(out, text, true);
}
