/* check.h - the state of one check of a configuration tree: the current place, and the problems.
 * Private to the checker (config_check*.c, value.c). */
#ifndef AMPS_CHECK_H
#define AMPS_CHECK_H

#include <jansson.h>
#include "amps-master/config/config_marks.h"
#include "amps-master/config/config_options.h"
#include "amps-master/config/problems.h"

struct check {
	const char *file;
	const struct marks *marks; /* NULL for a tree that was not read from a file */
	struct problems *problems; /* borrowed */
	struct option_asks *asks;  /* collects option lists for the transcoder; NULL = none */
	const json_t *profiles;	   /* ffmpeg_profiles as written, or NULL */
	json_t *ids;		   /* id as text -> path of the first channel that has it */
	struct buf path;	   /* of the current value */
	int line;		   /* of the innermost value that has one */
	bool in_channel;	   /* inside a channel: unknown keys are only warnings */
	bool alone;		   /* one channel of the API: it is refused, not left out */
	bool out_of_memory;
};

/* A value and its place. */
struct spot {
	json_t *value; /* borrowed */
	const json_t *parent;
	int line;	 /* its own, else that of the value around it */
	const char *raw; /* an unquoted scalar as written, or NULL */
	size_t path_len; /* of the parent's path */
	int outer_line;	 /* check.line when it was entered */
};

/* Steps into parent[key] or parent[index]; the path then ends there until check_leave(). */
struct spot check_enter_key(struct check *c, json_t *parent, const char *key);
struct spot check_enter_index(struct check *c, json_t *parent, size_t index);
void check_leave(struct check *c, const struct spot *at);

/* The whole tree, with an empty path. */
struct spot check_root(json_t *tree);

/* Adds a problem.  Returns NULL, which a reader without a value returns. */
json_t *check_add(struct check *c, const struct spot *at, enum problem_severity severity,
		  const char *format, ...) printf_like(4, 5);
#define check_error(c, at, ...)	  check_add(c, at, PROBLEM_ERROR, __VA_ARGS__)
#define check_warning(c, at, ...) check_add(c, at, PROBLEM_WARNING, __VA_ARGS__)

/* "unknown WHAT 'word' (did you mean 'x'?)" at parent's key or at `at` itself. */
void check_unknown(struct check *c, const struct spot *at, enum problem_severity severity,
		   const char *what, const char *word, const char *const *candidates, size_t n);

/* How a message names the value: 'text', 5, a list, a mapping, nothing. */
struct value_name {
	char text[96];
};
struct value_name check_name(const struct spot *at);

#endif
