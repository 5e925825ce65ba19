/* log_copy.h - a child passes the lines of its log on to its parent, beside writing them. */
#ifndef AMPS_LOG_COPY_H
#define AMPS_LOG_COPY_H

#include "common/base.h"

/* From now on until the next log_init() or log_forked(), every line goes to this message socket,
 * too (LOG_LINE); one for which it has no room is left out.  `command`: this process is the keeper
 * of a command.  Never blocks. */
void log_copy_to(int socket, bool command);

#endif
