/* url.h - links into the server. */
#ifndef AMPS_CLI_URL_H
#define AMPS_CLI_URL_H

#include "common/base.h"
#include "common/text/buf.h"

struct url_parts {
	const char *base;      /* with or without its last slash */
	const char *token;     /* NULL = none needed */
	const char *stream_id; /* NULL = the playlist */
	const char *variant;   /* NULL = the channel's own */
	const char *region;    /* NULL = unknown */
	unsigned rtsp_port;    /* for the format rtsp */
	const char *format; /* as url_knows_format(); NULL = TS, of a playlist each channel's own */
};

/* Is it the name of a form that links can lead to? */
bool url_knows_format(const char *format);

/* Appends the link; everything but the base is percent-encoded (RFC 3986). */
void url_put(struct buf *out, const struct url_parts *parts);

#endif
