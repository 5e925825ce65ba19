/* access_file.h - opening server.access_log, which the workers write (their access_log.h). */
#ifndef AMPS_ACCESS_FILE_H
#define AMPS_ACCESS_FILE_H

#include "common/base.h"

#define ACCESS_FILE_STDERR "-" /* the ordinary log */

/* A descriptor to append to (mode 0640 where it makes the file; a symbolic link is refused), or
 * -Exxx.  Opening never waits.  A write may block only to the ordinary log, and only if that
 * cannot be opened a second time. */
must_check int access_file_open(const char *path);

#endif
