/* utf8.h - strict UTF-8 (RFC 3629), and conversion from Latin-1. */
#ifndef AMPS_UTF8_H
#define AMPS_UTF8_H

#include "common/base.h"
#include "common/text/buf.h"

/* The character at `text`, which has `len` > 0 bytes.  Returns its length in bytes, or 0 if these
 * bytes are not UTF-8 (overlong forms, surrogates and a cut sequence included). */
size_t utf8_next(const char *text, size_t len, uint32_t *ret_char);

/* Appends a character up to U+10FFFF. */
void utf8_put(struct buf *out, uint32_t c);

bool utf8_valid(const char *text, size_t len);

/* Appends the text; a byte that is not UTF-8 is taken as Latin-1. */
void utf8_repair(const char *text, size_t len, struct buf *out);

#endif
