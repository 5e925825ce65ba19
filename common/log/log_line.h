/* log_line.h - renders a log message from its format: the sentence and its fields, escaped.
 *
 *	"worker %u died, replacing it pid=%d why=%s"
 *	 `---- sentence -----------' `-- fields --'
 *
 * Fields begin at the first " name=%" of the format.  The format is trusted; the values are not:
 * control characters, quotes, backslashes and bytes that are not UTF-8 are escaped, so that no
 * value can end a line, forge a field or control a terminal.  In text, a field's value is quoted
 * unless it is one plain word; in JSON, numbers stay numbers. */
#ifndef AMPS_LOG_LINE_H
#define AMPS_LOG_LINE_H

#include <stdarg.h>
#include "common/base.h"
#include "common/limits.h"

struct log_text {
	char message[LOG_MESSAGE_MAX];
	char fields[LOG_FIELDS_MAX]; /* text: ` a=1 b="x y"`; JSON: `"a":1,"b":"x y"` */
	uint64_t channel;	     /* a hash of the field `channel`; 0 = there is none */
};

/* Supports the conversions d i u x c s f g, their length modifiers, and a precision (also ".*").  A
 * sentence that does not fit is cut and ends with "..."; a field that does not fit is left out.
 * Never allocates. */
void log_text_format(struct log_text *t, bool json, const char *format, va_list args);

/* Appends `text` of `len` bytes to dst[*used..cap), escaped for use between quotes.  Always ends
 * with a NUL, never with half of a character or an escape.  False if something was left out. */
bool log_escape(char *dst, size_t cap, size_t *used, const char *text, size_t len, bool json);

/* Is this text as a line may be: UTF-8, without characters that control a terminal or change the
 * direction of text? */
bool log_is_plain(const char *text);

#endif
