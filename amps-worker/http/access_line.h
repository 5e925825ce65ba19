/* access_line.h - an entry of the access log and the line it becomes (access_log.h).
 *
 * What an entry says is kept as it will stand in the line: bounded, escaped, without secrets. Owned
 * by its connection, freed by access_log_end(). */
#ifndef AMPS_ACCESS_LINE_H
#define AMPS_ACCESS_LINE_H

#include "amps-worker/http/access_log.h"
#include "common/limits.h"

/* Writes the line of an entry that ends now, with its newline.  Its length, at most LOG_LINE_MAX.
 */
size_t access_line(const struct access_entry *e, uint64_t bytes, bool framed,
		   char line[LOG_LINE_MAX]);

#endif
