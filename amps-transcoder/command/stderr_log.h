/* stderr_log.h - what a command writes to its standard error: into the log line by line, its last
 * lines kept as the reason of its end.
 *
 * A line that ends with a carriage return is a progress display: it is logged at level debug and
 * not kept.  Of a command that writes more than STDERR_BYTES_A_SECOND most lines are skipped
 * unread; the log has its own limit on top of that.  Credentials in URLs are redacted. */
#ifndef AMPS_STDERR_LOG_H
#define AMPS_STDERR_LOG_H

#include "common/base.h"

#define STDERR_BYTES_A_SECOND (64u << 10)
#define STDERR_LINE_MAX	      4096 /* bytes of a line with its NUL; the rest of it is left out */
#define STDERR_LINES_KEPT     3
#define STDERR_KEPT_MAX	      160

struct stderr_log {
	char line[STDERR_LINE_MAX];
	size_t len;
	bool skips;	   /* up to the end of the line */
	bool returned;	   /* a carriage return was the last character */
	uint64_t since_us; /* of the second that is counted */
	size_t bytes;	   /* read in it */
	char last[STDERR_LINES_KEPT][STDERR_KEPT_MAX];
	unsigned kept; /* lines, also those that were replaced by later ones */
};

/* Takes the next bytes; `l` begins zeroed. */
void stderr_log_take(struct stderr_log *l, const char *bytes, size_t n, uint64_t now_us);

/* Takes what follows the last line end.  Call it at the end of file. */
void stderr_log_finish(struct stderr_log *l);

/* The last lines, joined by "; "; "" if there is none. */
void stderr_log_last(const struct stderr_log *l, char *dst, size_t cap);

#endif
