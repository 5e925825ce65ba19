/* complex.h - ffmpeg's filter_complex for one source: parts of one input and one output each.
 *
 * A graph falls into parts that no label links.  Each part takes one stream of the source
 * ("[0:v]", or none written: the best of its kind), may read files beside it (`movie`), and makes
 * one stream of the output, which a map names ("[v]") or, without a label, is in the output.
 * Parts with several inputs or outputs are not served.  Pure, apart from libavfilter's tables. */
#ifndef AMPS_COMPLEX_H
#define AMPS_COMPLEX_H

#include "common/base.h"

#define COMPLEX_PARTS_MAX 8
#define COMPLEX_LABEL_MAX 64

struct complex_part {
	char *text; /* owned; its open ends have labels: */
	char in[COMPLEX_LABEL_MAX], out[COMPLEX_LABEL_MAX];
	bool named; /* the output has a label in the profile */
	char media; /* 'v' or 'a' */
};

struct complex {
	struct complex_part parts[COMPLEX_PARTS_MAX];
	unsigned count;
};

/* Adds the parts of a graph that check_graph() accepts.  0, -EINVAL (`problem` says why) or
 * -ENOMEM; complex_done() in any case. */
must_check int complex_add(struct complex *c, const char *graph, char *problem, size_t cap);
void complex_done(struct complex *c); /* accepts a zeroed struct */

/* The part whose output has this label in the profile, or NULL. */
const struct complex_part *complex_find(const struct complex *c, const char *label);

#endif
