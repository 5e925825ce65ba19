/* key_rule.h - where an encoder begins groups of pictures: ffmpeg's `force_key_frames`.
 *
 * 	expr:gte(t,n_forced*2)	an expression of n, t, n_forced, prev_forced_n and prev_forced_t
 * 	0,1.5,00:00:03		times
 * 	source			where the source has key frames
 *
 * Times count from the first picture of the encoder.  The usual expression, gte(t,n_forced*SECONDS)
 * with 0.1 to 60 seconds, and no rule at all, become a grid on the job's timeline, so that all
 * outputs of a job have their key frames at the same times.  No I/O, no log. */
#ifndef AMPS_KEY_RULE_H
#define AMPS_KEY_RULE_H

#include <libavutil/eval.h>
#include "common/base.h"

#define KEY_TIMES_MAX 256

enum key_kind { KEY_GRID, KEY_TIMES, KEY_EXPRESSION, KEY_SOURCE };

/* What decides. */
enum key_frames {
	KEYS_RULE,   /* the rule */
	KEYS_SOURCE, /* the source's key frames alone */
	KEYS_BOTH,   /* the source's, and the rule between them: a grid counts from the last one */
};

struct key_rule {
	enum key_kind kind;
	int64_t grid_90k;
	AVExpr *expression; /* owned */
	int64_t times_90k[KEY_TIMES_MAX];
	unsigned time_count, time_next;
	/* what has come so far */
	int64_t first_90k, last_slot, last_key_90k;
	double pictures, forced, forced_picture, forced_s;
	bool last_was_key; /* the source's */
};

/* NULL: the grid alone.  A rule that names no grid keeps grid_90k.  0 or -EINVAL. */
must_check int key_rule_init(struct key_rule *k, const char *text, int64_t grid_90k);
void key_rule_done(struct key_rule *k); /* accepts a zeroed struct */

/* Is the next picture, at this time, to begin a group?  The first one always is. */
bool key_rule_next(struct key_rule *k, int64_t pts_90k, bool is_source_key, enum key_frames keys);

#endif
