#include "amps-cli/url.h"

#include <assert.h>
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

struct format {
	const char *name, *front, *back;
	const char *query; /* value of ?format=; NULL = none */
};

static const struct format *format_of(const char *name)
{
	static const struct format formats[] = {
		{"ts", "/stream/", ".ts", NULL},
		{"hls", "/hls/", "/index.m3u8", NULL},
		{"dash", "/dash/", "/manifest.mpd", NULL},
		{"audio", "/audio/", "", NULL},
		{"mp4", "/stream/", "", "mp4"},
		{"ws", "/ws/", "", NULL},
		{"rtsp", "/", "", NULL},
	};

	for (size_t i = 0; i < array_size(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

bool url_knows_format(const char *format)
{
	return format_of(format) != NULL;
}

/* The server as RTSP names it: another port of the host of `base`. */
static void put_rtsp_base(struct buf *out, const char *base, unsigned port)
{
	const char *host = strstr(base, "://");
	size_t len;

	host = host != NULL ? host + 3 : base;
	len = strcspn(host, "/");
	if (memchr(host, '@', len)) /* a name and a password are not for this server */
		host = (const char *)memrchr(host, '@', len) + 1;
	len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	buf_printf(out, "rtsp://%.*s:%u", (int)MIN(len, strlen(host)), host, port);
}

/* The path of a channel in this form. */
static const char *put_channel(struct buf *out, const struct url_parts *parts)
{
	const struct format *f = format_of(parts->format != NULL ? parts->format : "ts");

	assert(f != NULL);
	buf_puts(out, f->front);
	put_encoded(out, parts->stream_id);
	buf_puts(out, f->back);
	return f->query;
}

void url_put(struct buf *out, const struct url_parts *parts)
{
	const char *base = parts->base, *format = parts->format;
	size_t len = strlen(base);
	char separator = '?';

	while (len > 0 && base[len - 1] == '/')
		len--;
	if (parts->stream_id != NULL && format != NULL && strcmp(format, "ws") == 0 &&
	    strncmp(base, "http", 4) == 0) {
		buf_puts(out, "ws");
		base += 4;
		len -= 4;
	}
	if (parts->stream_id != NULL && format != NULL && strcmp(format, "rtsp") == 0)
		put_rtsp_base(out, base, parts->rtsp_port);
	else
		buf_add(out, base, len);
	if (parts->stream_id != NULL)
		format = put_channel(out, parts);
	else
		buf_puts(out, "/playlist.m3u");
	put_query(out, &separator, "format", format);
	put_query(out, &separator, "variant", parts->variant);
	put_query(out, &separator, "region", parts->region);
	put_query(out, &separator, "token", parts->token);
}
