/* url.h - the few parts of a source's URL that a job needs to know.  Pure. */
#ifndef AMPS_URL_H
#define AMPS_URL_H

#include "common/base.h"

/* "http" of "http://..."; "file" for a path and for file: URLs.  Lower case, cut at cap. */
void url_scheme(const char *url, char *dst, size_t cap);

/* The host without user, port and brackets; "" if there is none. */
void url_host(const char *url, char *dst, size_t cap);

/* Is it a local file, and its path within `url`. */
bool url_is_file(const char *url);
const char *url_file_path(const char *url);

/* The value of a query parameter; false if it is not there. */
bool url_query(const char *url, const char *name, char *dst, size_t cap);

#endif
