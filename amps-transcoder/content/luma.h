/* luma.h - the brightness of a decoded picture, in 8 bits, and how two of them differ. */
#ifndef AMPS_CONTENT_LUMA_H
#define AMPS_CONTENT_LUMA_H

#include <libavutil/frame.h>
#include "common/base.h"

struct luma {
	uint8_t *bytes; /* width * height; NULL = none */
	unsigned width, height;
	bool full; /* its range is 0 to 255, not 16 to 235 */
};

/* Takes that of a picture, in place of what it had.  0, -ENOMEM, or -EINVAL: the picture has no
 * plane of luma, or an odd size. */
must_check int luma_take(struct luma *l, const AVFrame *frame);
/* 0 or -ENOMEM. */
must_check int luma_copy(struct luma *l, const struct luma *from);
void luma_done(struct luma *l);

/* Is all of it black? */
must_check bool luma_is_dark(const struct luma *l);

/* The mean difference in levels, and that of the block that differs most.  False: the sizes are not
 * the same. */
must_check bool luma_difference(const struct luma *a, const struct luma *b, double *ret_mean,
				double *ret_block);

#endif
