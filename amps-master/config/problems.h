/* problems.h - the errors and warnings of a configuration. */
#ifndef AMPS_PROBLEMS_H
#define AMPS_PROBLEMS_H

#include <jansson.h>
#include <stdio.h>
#include "common/base.h"
#include "common/text/buf.h"

enum problem_severity { PROBLEM_WARNING, PROBLEM_ERROR };

/* `list` has at most CONFIG_PROBLEMS_MAX of each kind; the counters count all. */
struct problems {
	json_t *list; /* [{"severity":"error","file","line","path","message"}] */
	unsigned errors, warnings;
};

/* Starts empty; 0 or -ENOMEM. */
must_check int problems_init(struct problems *p);
void problems_done(struct problems *p);
void problems_add(struct problems *p, enum problem_severity severity, const char *file, int line,
		  const char *path, const char *format, ...) printf_like(6, 7);

/* "FILE:LINE: path: message" lines (warnings say "warning: " before the message). */
void problems_format(const struct problems *p, struct buf *out);
void problems_print(const struct problems *p, FILE *to);

/* Sorts by line; problems of one line keep their order. */
void problems_sort(struct problems *p);

#endif
