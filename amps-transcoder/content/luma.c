#include "amps-transcoder/content/luma.h"

#include <assert.h>
#include <errno.h>
#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MIN  16
#define SIDE_MAX  8192
#define BLOCK	  16u
#define DARK_MEAN 4  /* levels above black, of the picture */
#define DARK_SPOT 16 /* and of any block */
#define BLACK	  16 /* where the range is limited */

static void copy_row(uint8_t *dst, const uint8_t *src, unsigned width,
		     const AVComponentDescriptor *c)
{
	if (c->depth == 8 && c->step == 1) {
		memcpy(dst, src, width);
		return;
	}
	for (unsigned x = 0; x < width; x++) {
		const uint8_t *at = src + (size_t)x * (unsigned)c->step;
		unsigned value = c->depth > 8 ? (unsigned)(at[0] | at[1] << 8) : at[0];

		dst[x] = (uint8_t)MIN(value >> c->shift >> (c->depth - 8), 255u);
	}
}

static bool is_usable(const AVFrame *f, const AVPixFmtDescriptor *d)
{
	const uint64_t refused = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BE |
				 AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM |
				 AV_PIX_FMT_FLAG_FLOAT;

	return d && d->nb_components > 0 && !(d->flags & refused) && d->comp[0].plane == 0 &&
	       d->comp[0].depth >= 8 && d->comp[0].depth <= 16 && f->data[0] &&
	       f->width >= SIDE_MIN && f->height >= SIDE_MIN && f->width <= SIDE_MAX &&
	       f->height <= SIDE_MAX;
}

static int luma_resize(struct luma *l, unsigned width, unsigned height)
{
	if (l->width == width && l->height == height)
		return 0;
	luma_done(l);
	l->bytes = malloc((size_t)width * height);
	if (!l->bytes)
		return -ENOMEM;
	l->width = width;
	l->height = height;
	return 0;
}

int luma_take(struct luma *l, const AVFrame *frame)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(frame->format);
	unsigned width, height;

	if (!is_usable(frame, d))
		return -EINVAL;
	width = (unsigned)frame->width;
	height = (unsigned)frame->height;
	if (luma_resize(l, width, height) < 0)
		return -ENOMEM;
	l->full = frame->color_range == AVCOL_RANGE_JPEG;
	for (unsigned y = 0; y < height; y++)
		copy_row(l->bytes + (size_t)y * width,
			 frame->data[0] + d->comp[0].offset + (ptrdiff_t)y * frame->linesize[0],
			 width, &d->comp[0]);
	return 0;
}

void luma_done(struct luma *l)
{
	free(l->bytes);
	*l = (struct luma){0};
}

int luma_copy(struct luma *l, const struct luma *from)
{
	assert(from->bytes);
	if (luma_resize(l, from->width, from->height) < 0)
		return -ENOMEM;
	memcpy(l->bytes, from->bytes, (size_t)l->width * l->height);
	l->full = from->full;
	return 0;
}

/* The sum over a block of the levels, or of the differences to those of `b`; the block is cut off
 * at the edges. */
static unsigned sum_block(const struct luma *a, const struct luma *b, unsigned x, unsigned y,
			  unsigned *ret_count)
{
	unsigned width = MIN(BLOCK, a->width - x), height = MIN(BLOCK, a->height - y), sum = 0;

	for (unsigned row = y; row < y + height; row++) {
		size_t at = (size_t)row * a->width + x;

		for (unsigned i = 0; i < width; i++)
			sum += b ? (unsigned)abs(a->bytes[at + i] - b->bytes[at + i])
				 : a->bytes[at + i];
	}
	*ret_count = width * height;
	return sum;
}

/* Means of the whole and of the largest block. */
static void measure(const struct luma *a, const struct luma *b, double *ret_mean, double *ret_most)
{
	uint64_t all = 0;
	double most = 0;

	assert(a->bytes && a->width && a->height);
	for (unsigned y = 0; y < a->height; y += BLOCK)
		for (unsigned x = 0; x < a->width; x += BLOCK) {
			unsigned count, sum = sum_block(a, b, x, y, &count);

			all += sum;
			most = MAX(most, (double)sum / count);
		}
	*ret_mean = (double)all / ((double)a->width * a->height);
	*ret_most = most;
}

bool luma_is_dark(const struct luma *l)
{
	double black = l->full ? 0 : BLACK, mean, most;

	measure(l, NULL, &mean, &most);
	return mean <= black + DARK_MEAN && most <= black + DARK_SPOT;
}

bool luma_difference(const struct luma *a, const struct luma *b, double *ret_mean,
		     double *ret_block)
{
	if (!a->bytes || !b->bytes || a->width != b->width || a->height != b->height)
		return false;
	measure(a, b, ret_mean, ret_block);
	return true;
}
