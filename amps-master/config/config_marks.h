/* config_marks.h - where in the file each value of a configuration tree stands, kept beside the
 * tree.
 *
 * A value is named by the container it is in and its key or index there, so that values shared
 * through aliases keep the place where they were written.  Containers are named by address: the
 * tree must outlive the marks' use.  Entries are found by a 64-bit hash alone; a collision would
 * cost a wrong line number, nothing else. */
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

/* Keeps a copy of `text` as long as `m`; NULL: no memory. */
const char *marks_keep(struct marks *m, const char *text);

/* 0 or -ENOMEM. */
must_check int marks_set_key(struct marks *m, const json_t *container, const char *key,
			     struct mark mark);
must_check int marks_set_index(struct marks *m, const json_t *container, size_t index,
			       struct mark mark);

/* {0, NULL} where nothing is known; `m` may be NULL. */
struct mark marks_key(const struct marks *m, const json_t *container, const char *key);
struct mark marks_index(const struct marks *m, const json_t *container, size_t index);

#endif
