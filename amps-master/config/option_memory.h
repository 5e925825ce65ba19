/* option_memory.h - caches libav's verdicts on option lists from one load of the configuration to
 * the next, so that a start does not wait until amps-transcoder has loaded two hundred libraries.
 *
 * The database keeps it as meta `options`: {"files":[path, ...], "identity":"...",
 * "verdicts":{"hash of a question":[[option, severity, message], ...]}}.  A verdict is valid while
 * the program and the libraries that gave it are the same files (`identity`: their sizes, inodes
 * and times).  The loader reads it; only the database thread writes it. */
#ifndef AMPS_OPTION_MEMORY_H
#define AMPS_OPTION_MEMORY_H

#include <jansson.h>
#include "common/base.h"

struct option_memory;

/* `state_dir`: of the command line, or NULL for that of the configuration; borrowed.  Returns NULL
 * without memory. */
struct option_memory *option_memory_new(const char *state_dir);
struct option_memory *option_memory_free(struct option_memory *m); /* returns NULL; accepts NULL */

/* Reads the verdicts from the state folder of this model.  If they cannot be read or are no longer
 * valid, the memory is empty. */
void option_memory_open(struct option_memory *m, const json_t *model);

/* The same from a text (NULL = none). */
void option_memory_read(struct option_memory *m, const char *text);

/* The verdict on a question, borrowed, or NULL.  The next option_memory_text() contains it. */
const json_t *option_memory_find(struct option_memory *m, const char *question);

/* The verdicts that follow come from the program files `files` (paths).  If they are not the files
 * that gave the remembered verdicts, those are removed. */
void option_memory_judged_by(struct option_memory *m, const json_t *files);

/* Adds a verdict (borrowed). */
void option_memory_learn(struct option_memory *m, const char *question, const json_t *verdict);

/* The next option_memory_text() contains all verdicts, also those that were not asked for, unless
 * there are more than API_DISTINCT_MAX. */
void option_memory_keep(struct option_memory *m);

/* The text to store, without questions that were not asked this time; NULL if nothing is new.  The
 * caller frees it. */
char *option_memory_text(const struct option_memory *m);

#endif
