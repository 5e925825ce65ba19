/* text.h - bounded strings and text functions that several programs use.  Nothing here allocates.
 */
#ifndef AMPS_TEXT_H
#define AMPS_TEXT_H

#include "common/base.h"

/* Copies at most cap-1 bytes, always with a NUL at the end, never half of a UTF-8 sequence.
 * Returns false when something was left out. */
bool text_copy(char *dst, size_t cap, const char *src);

/* The same for a text from outside: a control character or a byte that is not UTF-8 becomes '?'. */
bool text_copy_foreign(char *dst, size_t cap, const char *src);

/* The last line of a text from outside that begins with `prefix` and is not empty; "" = none. */
void text_last_line(const char *text, const char *prefix, char *dst, size_t cap);

/* Parses a whole decimal number without sign; -EINVAL, or -ERANGE above max. */
must_check int text_parse_u64(const char *text, uint64_t max, uint64_t *ret);

/* Copies a URL with its secrets replaced by "***": "user:password@", the name and password in an
 * IPTV panel's path, the stream key of rtmp://, and every value in a query or a path
 * ("/name=value/") whose name text_name_is_secret(), also where '?', '&' and '=' are
 * percent-encoded.  For logs, tables and JSON.  Takes linear time; `dst` needs at most twice the
 * bytes of `url`. */
void text_redact_url(const char *url, char *dst, size_t cap);

/* Is it no URL of another machine, but a path, "file://..." or, as "concat:/srv/a.ts", a protocol
 * of libav that names files? */
bool text_is_local(const char *source);

/* The same for a line of text, word by word, because a word may be a URL or the end of one. Changes
 * `line` on the way. */
void text_redact_words(char *line, char *dst, size_t cap);

/* Copies an error text without the location of the source: `source`, its host, other URLs and
 * absolute paths become "the source".  For viewers, who must not learn it. */
void text_hide_source(const char *text, const char *source, char *dst, size_t cap);

/* The value of a hexadecimal digit, or -1. */
int text_hex_value(char c);

/* The byte that "%XX" at the start of text[0..len) encodes; -1 = there is no such sequence. */
int text_percent_byte(const char *text, size_t len);

/* True for the name of a parameter whose value is likely to be a secret: a token, key, password,
 * signature, session or account name.  Sees through percent-encoding and upper case. */
bool text_name_is_secret(const char *name, size_t len);

/* Two ASCII letters in any case -> upper case in out[3]; false if it is not a region code. */
bool text_region(const char *text, size_t len, char out[3]);

/* The candidate nearest to `word` (small edit distance), or NULL when none is near. */
const char *text_suggest(const char *word, const char *const *candidates, size_t n);

#endif
