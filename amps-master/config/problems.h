/* problems.h - what a check of a configuration found. */
#ifndef AMPS_PROBLEMS_H
#define AMPS_PROBLEMS_H

#include <jansson.h>
#include <stdio.h>
#include "common/base.h"
#include "common/text/buf.h"

enum problem_severity { PROBLEM_WARNING, PROBLEM_ERROR };

/* What was found, in file order. */
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

/* Into the order of the file; those of one line stay in the order they were found. */
void problems_sort(struct problems *p);

#endif
