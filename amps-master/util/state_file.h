/* state_file.h - a small file of the state folder that holds one line. */
#ifndef AMPS_STATE_FILE_H
#define AMPS_STATE_FILE_H

#include "common/base.h"

/* Writes `line` and a line end to a second file (0600) and renames it, so that an interruption
 * leaves the old content or the new one.  0 or -Exxx. */
must_check int state_file_replace(const char *path, const char *line);

#endif
