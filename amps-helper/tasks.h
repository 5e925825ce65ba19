/* tasks.h - the tasks of amps-helper, one file or folder each.
 *
 * A task runs inside the sandbox, in a process of its own.  `task` is its description, a JSON
 * object; the result goes to stdout.  0, or -Exxx and the reason: one line
 * without secrets. */
#ifndef AMPS_TASKS_H
#define AMPS_TASKS_H

#include <jansson.h>
#include "common/base.h"

/* The environment variable that names a file with the authorities to trust, as OpenSSL does;
 * unset = the system's. */
#define FETCH_AUTHORITIES "SSL_CERT_FILE"

/* {"url": text, "seconds": number, "bytes": number}: the document at an http or https URL, decoded.
 * The two limits are optional and can only be smaller than those of limits.h.  Certificates are
 * checked. */
must_check int fetch_run(const json_t *task, char *reason, size_t cap);

/* Imports a guide (XMLTV, plain or packed with gzip or xz) and writes what is kept of it as a file
 * of guide_layout.h; nothing if it is the one that `etag` and `modified` are of.
 *
 *	{"url" or "path": text,
 *	 "timezone": of times without one, "shift": hours that are added to all,
 *	 "keep_days", "past_days": how much is kept, of what is to come and of what is over,
 *	 "etag", "modified": optional, of an earlier result,
 *	 "allow_private": optional, a redirect may lead to addresses inside,
 *	 "targets": [[guide id of the line-up, names of its channels ...], ...],
 *	 "keep": goes into the report as it is,
 *	 "spool": a descriptor, which main() adds} */
must_check int guide_run(const json_t *task, char *reason, size_t cap);

/* {"path": text, "generation": number}: the countries of the addresses in a MaxMind file, as a
 * table of common/shm/geoip.h. */
must_check int geoip_run(const json_t *task, char *reason, size_t cap);

/* {"url": text, "events": [text ...]}: sends each event as the body of a POST, in their order,
 * until one fails.  Writes a byte for each that has arrived (any 2xx). */
must_check int hook_run(const json_t *task, char *reason, size_t cap);

#endif
