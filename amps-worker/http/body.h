/* body.h - immutable bytes with what HTTP says about them; made once, sent to many. */
#ifndef AMPS_BODY_H
#define AMPS_BODY_H

#include "common/shm/snapshot.h"

/* The bytes of all living bodies.  A body adds itself when it is counted and subtracts itself when
 * its last reference goes. */
struct body_account {
	size_t bytes;
};

/* Bytes that follow those of one form, sent from where they are. */
struct body_run {
	const char *at;
	size_t len;
};

struct body_tail {
	struct body_run *runs;
	size_t count, cap;
	uint64_t bytes; /* of all runs */
	bool failed;	/* one had no memory */
};

#define BODY_END_MAX 16u /* bytes of `end` */

/* What follows the text of a body: runs of a snapshot, then `end`.  A gzip member may be joined of
 * pieces that were compressed apart, so the packed runs are raw deflate blocks (RFC 1951) that end
 * at a byte and refer to nothing before them. */
struct body_follow {
	struct snapshot *snapshot; /* one reference, NULL = none */
	struct body_tail plain, packed;
	uint32_t crc;	 /* of the plain runs */
	uint64_t hash;	 /* of what the runs are, for the ETag */
	const char *end; /* static text */
	char packed_end[BODY_END_MAX + 16];
};

struct body {
	unsigned refs; /* one thread: no atomics */
	char *plain;
	size_t plain_len;
	char *gzip; /* NULL when compression does not pay */
	size_t gzip_len;
	struct body_follow *follow; /* owned; NULL = nothing follows */
	char etag[40];		    /* with its quotes; "" = none */
	const char *type;	    /* static */
	int64_t changed_us;	    /* when what it shows last differed by time alone; 0 = never */
	struct body_account *account; /* NULL = not counted */
};

struct body *body_ref(struct body *b);
struct body *body_unref(struct body *b); /* returns NULL; accepts NULL */

/* Counts the body in an account that outlives it; once for each body. */
void body_count(struct body *b, struct body_account *account);

/* Adds bytes that outlive the tail; joins those that follow each other. */
void body_tail_add(struct body_tail *t, const char *at, size_t len);

struct body_follow *body_follow_free(struct body_follow *f); /* returns NULL; accepts NULL */

#endif
