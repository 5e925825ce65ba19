/* parse.h - reads XMLTV as it comes, in constant memory, and keeps the programmes of channels
 * that may match.
 *
 * What is not XMLTV's, or is not in its DTD, is left out; the programmes may be in any order.  The
 * reasons of failures name the line. */
#ifndef AMPS_GUIDE_PARSE_H
#define AMPS_GUIDE_PARSE_H

#include "amps-helper/guide/match.h"
#include "amps-helper/guide/spool.h"

struct guide_parse;

/* Programmes of channels that may match which are outside the times that are kept; 0 = none. */
struct guide_left_out {
	int64_t last_end_s;    /* of those that were over */
	int64_t first_start_s; /* of those that begin too late */
};

struct guide_parse_env {
	struct guide_match *match; /* borrowed */
	struct guide_spool *spool; /* borrowed */
	int64_t from_s, until_s;   /* programmes that begin later, or end earlier, are left out */
	int64_t shift_s;	   /* added to all times */
	bool local;		   /* times without a zone are of TZ */
};

must_check int guide_parse_new(const struct guide_parse_env *env, struct guide_parse **ret);
void guide_parse_free(struct guide_parse *p); /* accepts NULL */

/* A piece of the document; 0, or -Exxx and the reason.  `p` is a struct guide_parse. */
must_check int guide_parse_add(void *p, const char *bytes, size_t n, char *reason, size_t cap);
/* The document has ended. */
must_check int guide_parse_end(struct guide_parse *p, char *reason, size_t cap);
/* The line that is being read, from 1. */
unsigned long guide_parse_line(const struct guide_parse *p);
/* Programmes that it had. */
uint64_t guide_parse_count(const struct guide_parse *p);
struct guide_left_out guide_parse_left_out(const struct guide_parse *p);

#endif
