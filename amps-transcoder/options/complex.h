/* complex.h - ffmpeg's filter_complex for one source: graphs with one output each.
 *
 * A graph falls into parts that no label links.  Each part takes streams of the source ("[0:v]",
 * "[0:a:1]", or none written: the best of its kind), may read files beside them (`movie`), and
 * makes streams of the output, which a map names ("[v]") or, without a label, are in the output.  A
 * part with several outputs becomes one graph for each, in which the others end: they run
 * independently.
 * Pure, apart from libavfilter's tables. */
#ifndef AMPS_COMPLEX_H
#define AMPS_COMPLEX_H

#include "common/base.h"

#define COMPLEX_PARTS_MAX  8
#define COMPLEX_INPUTS_MAX 4 /* of one graph */
#define COMPLEX_LABEL_MAX  64

struct complex_input {
	char spec[COMPLEX_LABEL_MAX];  /* the stream, as a map has it; "" = the best of its kind */
	char label[COMPLEX_LABEL_MAX]; /* in `text` */
	char media;		       /* 'v' or 'a' */
};

/* One graph. */
struct complex_part {
	char *text;				      /* owned; its open ends have labels: */
	struct complex_input ins[COMPLEX_INPUTS_MAX]; /* at least one */
	unsigned in_count;
	char out[COMPLEX_LABEL_MAX];
	bool named; /* the output has a label in the profile */
	char media; /* of the output: 'v' or 'a' */
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
