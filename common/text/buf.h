/* buf.h - growable bytes.  One owner; no lock.  A failed growth is recorded (`failed`), so that a
 * chain of appends is checked once at its end with buf_ok(). */
#ifndef AMPS_BUF_H
#define AMPS_BUF_H

#include <stdarg.h>
#include "common/base.h"

struct buf {
	char *data; /* with a NUL behind the last byte; NULL before the first append */
	size_t len;
	size_t cap;
	bool failed; /* an append had no memory: the content is incomplete */
};

#define BUF_INIT ((struct buf){0})

void buf_done(struct buf *b);  /* frees; the buffer is empty and usable again */
void buf_reset(struct buf *b); /* len = 0, keeps the memory */
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) printf_like(2, 3);
void buf_consume(struct buf *b, size_t n); /* drops the first n (<= len) bytes */

/* Makes room for n more bytes and returns where they go (caller then adds to len), or NULL. */
char *buf_reserve(struct buf *b, size_t n);

static inline bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

#endif
