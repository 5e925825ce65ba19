/* option_memory.h - how libav judged the option lists it was asked about, kept from one load of the
 * configuration to the next, so that a start need not wait for two hundred libraries to be loaded.
 *
 * The database has it as meta `options`: {"files":[path, ...], "identity":"...",
 * "verdicts":{"hash of a question":[[option, severity, message], ...]}}.  A verdict holds while the
 * program and every library that gave it are the same files (`identity`: their sizes, inodes and
 * times).  Used by the loader, which reads it; only the database thread writes it. */
#ifndef AMPS_OPTION_MEMORY_H
#define AMPS_OPTION_MEMORY_H

#include <jansson.h>
#include "common/base.h"

struct option_memory;

/* `state_dir`: as the command line has it, or NULL for the configuration's; borrowed.  NULL: no
 * memory. */
struct option_memory *option_memory_new(const char *state_dir);
struct option_memory *option_memory_free(struct option_memory *m); /* returns NULL; accepts NULL */

/* Reads what is remembered in the state folder of this model.  Where there is nothing that can be
 * read or still holds, the memory is empty. */
void option_memory_open(struct option_memory *m, const json_t *model);

/* The same from a text (NULL = none). */
void option_memory_read(struct option_memory *m, const char *text);

/* The verdict on a question, borrowed, or NULL.  It is kept for the next time. */
const json_t *option_memory_find(struct option_memory *m, const char *question);

/* `files` (paths) have judged from here on: if they are not those of before, what was remembered
 * is forgotten. */
void option_memory_judged_by(struct option_memory *m, const json_t *files);

/* Notes a verdict (borrowed). */
void option_memory_learn(struct option_memory *m, const char *question, const json_t *verdict);

/* The text to store, without questions that were not asked this time; NULL if nothing is new.  The
 * caller's. */
char *option_memory_text(const struct option_memory *m);

#endif
