/* picture.h - draws the text of a slate with a small bitmap font of our own: text renderers are not
 * in every build of libavfilter, and need fonts that a job may not read.  Pure.
 *
 * The font has ASCII.  Latin letters with marks are drawn without them, other characters as '?'. */
#ifndef AMPS_SLATE_PICTURE_H
#define AMPS_SLATE_PICTURE_H

#include "common/base.h"

/* Draws the text (UTF-8) in the middle of a plane of luma, in lines that fit: the brightest grey of
 * limited range on what is there.  Text beyond a few lines is left out. */
void slate_draw_text(uint8_t *luma, size_t stride, unsigned width, unsigned height,
		     const char *text);

/* The first two lines of a text, so that there is room for more behind them. */
#define SLATE_TITLE_MAX 58u
void slate_title(const char *text, char title[SLATE_TITLE_MAX]);

#endif
