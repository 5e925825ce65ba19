/* body.h - immutable bytes with what HTTP says about them; made once, sent to many. */
#ifndef AMPS_BODY_H
#define AMPS_BODY_H

#include "common/base.h"

/* The bytes of all living bodies.  A body adds itself when it is counted and subtracts itself when
 * its last reference goes. */
struct body_account {
	size_t bytes;
};

struct body {
	unsigned refs; /* one thread: no atomics */
	char *plain;
	size_t plain_len;
	char *gzip; /* NULL when compression does not pay */
	size_t gzip_len;
	char etag[40];		      /* with its quotes; "" = none */
	const char *type;	      /* static */
	struct body_account *account; /* NULL = not counted */
};

struct body *body_ref(struct body *b);
struct body *body_unref(struct body *b); /* returns NULL; accepts NULL */

/* Counts the body in an account that outlives it; once for each body. */
void body_count(struct body *b, struct body_account *account);

#endif
