/* config_options.h - checks option names with libav.
 *
 * The checker collects every option list of a configuration; one run of `amps-transcoder
 * --check-options` checks them all.  Equal lists are checked once. */
#ifndef AMPS_CONFIG_OPTIONS_H
#define AMPS_CONFIG_OPTIONS_H

#include <jansson.h>
#include "amps-master/config/config_marks.h"
#include "amps-master/config/problems.h"
#include "amps-master/config/option_memory.h"

struct option_asks;

struct option_asks *option_asks_new(void);		     /* NULL: no memory */
struct option_asks *option_asks_free(struct option_asks *a); /* returns NULL; accepts NULL */

/* One list to check. */
struct option_ask {
	const char *path;	 /* of the mapping or list; copied */
	int line;		 /* of that path */
	const json_t *container; /* the mapping as written, for the lines of its keys; borrowed
				    until option_asks_run() */
	const char *kind;	 /* "profile" or "input"; a constant */
	const char *source;	 /* of an input, else ""; copied */
	json_t *options;	 /* [[key, value], ...]; taken; NULL = none */
	json_t *args;		 /* ["-re", ...]; taken; NULL = none */
};

/* 0 or -ENOMEM; takes ask->options and ask->args in either case. */
must_check int option_asks_add(struct option_asks *a, const struct option_ask *ask);

/* Checks all lists and adds what is wrong to `problems`.  Verdicts that `memory` (may be NULL) has
 * are taken from it, new ones are added to it.  If the transcoder cannot be run, one warning says
 * why.  Called once. */
void option_asks_run(struct option_asks *a, struct option_memory *memory, const struct marks *marks,
		     const char *file, struct problems *problems);

/* The same in two steps, for a caller that cannot wait: the lists on which `memory` has no verdict,
 * as `amps-transcoder --check-options` reads them (a new reference; NULL without memory), and then
 * its answer (NULL: none; needed only where a list was open).  Each once. */
json_t *option_asks_recall(struct option_asks *a, struct option_memory *memory);
void option_asks_judge(struct option_asks *a, struct option_memory *memory, const json_t *answer,
		       const struct marks *marks, const char *file, struct problems *problems);

/* Is this what that program answers? */
bool option_answer_valid(const json_t *answer);

#endif
