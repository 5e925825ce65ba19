/* child_log.h - lines that a child has logged, kept with the master's own for GET /api/log.
 *
 * A child writes its log itself; what comes here is a copy.  The child may be hostile: its program
 * is the one that the master started, its lines are at most LOG_COPIES in LOG_WINDOW_US, and a line
 * that is not of the log's form is left out.  A child that is started again has its share, too. */
#ifndef AMPS_CHILD_LOG_H
#define AMPS_CHILD_LOG_H

#include <sys/types.h>
#include "common/msg/msg.h"

/* Of a child and those that take its place; zeroed at first. */
struct child_log {
	uint64_t window_us; /* when it began */
	unsigned lines;	    /* in it, those that are left out, too */
};

/* Keeps the line of a LOG_LINE of the child.  `program` as it is in its log; `pid`: its own, 0 =
 * not known, then the line says it.  0 or -EBADMSG. */
must_check int child_log_take(struct child_log *c, const char *program, pid_t pid,
			      const struct msg_log_line *m);

#endif
