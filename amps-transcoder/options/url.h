/* url.h - the parts of a source's URL that a job needs.  Pure. */
#ifndef AMPS_URL_H
#define AMPS_URL_H

#include "common/base.h"

/* "http" of "http://..."; "file" for a path and for file: URLs.  Lower case, cut at cap. */
void url_scheme(const char *url, char *dst, size_t cap);

/* The host without user, port and brackets; "" if there is none. */
void url_host(const char *url, char *dst, size_t cap);

/* True for a local file; its path within `url`. */
bool url_is_file(const char *url);
const char *url_file_path(const char *url);

/* The port, or 0 if the URL names none. */
uint16_t url_port(const char *url);

/* True if a source of this URL is a listener, which has no remote host.  So are udp, rtp, srt and
 * rist without a host, `rist://@`, and srt with mode=listener (`mode`: the option of that name, or
 * NULL; the URL has priority). */
bool url_listens(const char *url, const char *mode);

#endif
