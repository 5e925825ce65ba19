#include "amps-cli/url.h"

#include <ctype.h>
#include <string.h>

/* All but the unreserved characters. */
static void put_encoded(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c) != NULL)
			buf_putc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

static void put_query(struct buf *out, char *separator, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(out, "%c%s=", *separator, name);
	put_encoded(out, value);
	*separator = '&';
}

void url_put(struct buf *out, const struct url_parts *parts)
{
	size_t len = strlen(parts->base);
	char separator = '?';

	while (len > 0 && parts->base[len - 1] == '/')
		len--;
	buf_add(out, parts->base, len);
	if (parts->stream_id != NULL) {
		buf_puts(out, "/stream/");
		put_encoded(out, parts->stream_id);
		buf_puts(out, ".ts");
	} else {
		buf_puts(out, "/playlist.m3u");
	}
	put_query(out, &separator, "variant", parts->variant);
	put_query(out, &separator, "region", parts->region);
	put_query(out, &separator, "token", parts->token);
}
