/* log_line.h - a log message rendered from its format: the sentence and its fields, escaped.
 *
 *	"worker %u died, replacing it pid=%d why=%s"
 *	 `---- sentence -----------' `-- fields --'
 *
 * Fields begin at the first " name=%" of the format.  The format is ours and trusted; what its
 * conversions bring in is not: control characters, quotes, backslashes and bytes that are no UTF-8
 * come out escaped, so that no value can end a line, forge a field or drive a terminal.  In text a
 * field's value is quoted where it is more than one plain word; in JSON numbers stay numbers. */
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

/* Knows the conversions d i u x c s f g, their lengths, and precision (".*" too).  What does not
 * fit is cut with "..." at its end, a whole field is left out.  Never allocates. */
void log_text_format(struct log_text *t, bool json, const char *format, va_list args);

/* Appends `text` of `len` bytes to dst[*used..cap) as it may stand inside of quotes; always leaves
 * a NUL and never half of a character or an escape.  False when something was left out. */
bool log_escape(char *dst, size_t cap, size_t *used, const char *text, size_t len, bool json);

#endif
