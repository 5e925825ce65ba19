/* access_entry.h - an entry of the access log, and the line it becomes (access_log.h).
 *
 * Texts are kept in the form that the line has: bounded, escaped, without secrets.  Owned by its
 * connection, freed by access_log_end(). */
#ifndef AMPS_ACCESS_ENTRY_H
#define AMPS_ACCESS_ENTRY_H

#include "amps-worker/http/reply.h"
#include "amps-worker/http/request.h"

struct access_entry;

/* Begins an entry for an answered request; NULL without memory: the line is then missing. */
struct access_entry *access_entry_new(const struct http_request *q, const struct facts *facts,
				      const struct reply *reply);
/* Begins an entry for a head that could not be parsed. */
struct access_entry *access_entry_new_bad(const char *head, size_t len, const struct facts *facts);

/* Accepts NULL. */
void access_entry_set_status(struct access_entry *e, int status);

/* Writes the line of an entry that ends now, with its newline; `bytes` of the body were sent.  The
 * length, at most LOG_LINE_MAX. */
size_t access_line(const struct access_entry *e, uint64_t bytes, bool framed,
		   char line[LOG_LINE_MAX]);

#endif
