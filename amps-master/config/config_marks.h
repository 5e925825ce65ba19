/* config_marks.h - the line in the file of each value of a configuration tree.
 *
 * A value is identified by its container and its key or index there, because aliases share values.
 * A container is identified by its address: the tree must exist as long as its marks are used.
 * Entries are found by a 64-bit hash alone; a collision only causes a wrong line number. */
#ifndef AMPS_CONFIG_MARKS_H
#define AMPS_CONFIG_MARKS_H

#include <jansson.h>
#include "common/base.h"

struct mark {
	int line;	 /* from 1; 0 = unknown */
	const char *raw; /* an unquoted number, boolean or null as written, else NULL; borrowed */
};

struct marks;

struct marks *marks_new(void);		   /* NULL: no memory */
struct marks *marks_free(struct marks *m); /* returns NULL; accepts NULL */

/* A copy of `text` that is freed with `m`; NULL: no memory. */
const char *marks_keep(struct marks *m, const char *text);

/* 0 or -ENOMEM. */
must_check int marks_set_key(struct marks *m, const json_t *container, const char *key,
			     struct mark mark);
must_check int marks_set_index(struct marks *m, const json_t *container, size_t index,
			       struct mark mark);

/* {0, NULL} if the value has no mark; `m` may be NULL. */
struct mark marks_key(const struct marks *m, const json_t *container, const char *key);
struct mark marks_index(const struct marks *m, const json_t *container, size_t index);

#endif
