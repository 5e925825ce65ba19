/* text.h - bounded strings and small text rules shared by programs.  Nothing here allocates unless
 * its comment says so. */
#ifndef AMPS_TEXT_H
#define AMPS_TEXT_H

#include "common/base.h"

/* Copies at most cap-1 bytes, always ends with NUL, never cuts a UTF-8 sequence in two.
 * Returns false when something was left out. */
bool text_copy(char *dst, size_t cap, const char *src);

/* The same of what a stranger wrote: a control character and each byte that is no UTF-8 become '?'.
 */
bool text_copy_foreign(char *dst, size_t cap, const char *src);

/* Parses a whole decimal number without sign; -EINVAL, or -ERANGE above max. */
must_check int text_parse_u64(const char *text, uint64_t max, uint64_t *ret);

/* Copies a URL with "user:password@", the name and password in an IPTV panel's path, the stream key
 * of rtmp:// and every value in a query or a path ("/name=value/") whose name text_name_is_secret()
 * replaced by "***", also where '?', '&' and '=' are percent-encoded.  For logs, tables and JSON;
 * takes linear time, and `dst` needs no more than twice the bytes. */
void text_redact_url(const char *url, char *dst, size_t cap);

/* Copies a reason without where the source is: `source`, other URLs, absolute paths and the host of
 * `source` become "the source".  For viewers, who may not know it. */
void text_hide_source(const char *text, const char *source, char *dst, size_t cap);

/* Of a hexadecimal digit; -1: it is none. */
int text_hex_value(char c);

/* Does a parameter's name smell of a secret: of a token, a key, a password, a signature, a session,
 * or of who the account belongs to?  Percent-encoding and case hide nothing. */
bool text_name_is_secret(const char *name, size_t len);

/* Two ASCII letters in any case -> upper case in out[3]; false if it is no region code. */
bool text_region(const char *text, size_t len, char out[3]);

/* The candidate nearest to `word` (small edit distance), or NULL when none is near. */
const char *text_suggest(const char *word, const char *const *candidates, size_t n);

#endif
