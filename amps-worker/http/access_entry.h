/* access_entry.h - an entry of the access log and the line it becomes (access_log.h).
 *
 * What an entry says is kept as it will stand in the line: bounded, escaped, without secrets. Owned
 * by its connection, freed by access_log_end(). */
#ifndef AMPS_ACCESS_ENTRY_H
#define AMPS_ACCESS_ENTRY_H

#include "amps-worker/http/reply.h"
#include "amps-worker/http/request.h"

struct access_entry;

/* Begins one for an answered request; NULL without memory: there is no line then. */
struct access_entry *access_entry_new(const struct http_request *q, const struct facts *facts,
				      const struct reply *reply);
/* Begins one for a head that is no request. */
struct access_entry *access_entry_new_bad(const char *head, size_t len, const struct facts *facts);

/* NULL is accepted. */
void access_entry_set_status(struct access_entry *e, int status);

/* Writes the line of an entry that ends now, with its newline.  Its length, at most LOG_LINE_MAX.
 */
size_t access_line(const struct access_entry *e, uint64_t bytes, bool framed,
		   char line[LOG_LINE_MAX]);

#endif
