#include "amps-transcoder/mux/remux_clock.h"

#include <assert.h>

#include "amps-transcoder/ts/parse.h"

#define LEAP_90K (10 * TS_HZ)
#define BACK_90K TS_HZ	     /* a larger step back is a jump, not jitter */
#define OLD_90K	 (3 * TS_HZ) /* late packets of the previous timeline are accepted for so long */

void remux_clock_init(struct remux_clock *c)
{
	*c = (struct remux_clock){.ref_90k = TIME_NONE,
				  .old_ref_90k = TIME_NONE,
				  .frontier_90k = TIME_NONE,
				  .length_90k = TIME_NONE,
				  .rebase = true};
}

void remux_clock_repeat(struct remux_clock *c, int64_t length_90k)
{
	c->rebase = true;
	c->length_90k = length_90k;
}

int64_t remux_track_repeat(struct remux_track *t, int64_t length_90k)
{
	if (t->begin_90k != TIME_NONE)
		length_90k = MAX(length_90k, t->end_90k - t->begin_90k);
	t->begin_90k = t->end_90k = TIME_NONE;
	return length_90k;
}

static void begin_timeline(struct remux_clock *c, int64_t first)
{
	c->old_ref_90k = c->ref_90k;
	c->old_offset_90k = c->offset_90k;
	c->offset_90k = (c->frontier_90k == TIME_NONE ? REMUX_START_90K : c->frontier_90k) - first;
	if (c->rebase) {
		/* a larger distance means another source */
		int64_t again = c->round_offset_90k + c->length_90k;

		if (c->length_90k != TIME_NONE && llabs(again - c->offset_90k) <= TS_HZ)
			c->offset_90k = again;
		c->length_90k = TIME_NONE;
		c->round_offset_90k = c->offset_90k;
	}
	c->ref_90k = first;
	c->begun_90k = first + c->offset_90k;
	c->rebase = false;
}

/* True if a packet may be placed at `out` when its stream has reached `last` on our timeline. */
static bool follows(int64_t out, int64_t last)
{
	return last == TIME_NONE || out >= last - BACK_90K;
}

static bool old_fits(const struct remux_clock *c, int64_t dts, int64_t last)
{
	return c->old_ref_90k != TIME_NONE && llabs(dts - c->old_ref_90k) <= LEAP_90K &&
	       c->frontier_90k - c->begun_90k <= OLD_90K && follows(dts + c->old_offset_90k, last);
}

/* The offset for a packet at `dts`.  A jump begins another timeline, but late packets of the old
 * one may follow it: if both fit, take the one that is closer to the end of the stream. */
static int64_t offset_for(struct remux_clock *c, bool leads, int64_t dts, int64_t last)
{
	bool fits, old;

	if (c->rebase && !leads && c->frontier_90k != TIME_NONE)
		return c->length_90k == TIME_NONE ? c->offset_90k
						  : c->round_offset_90k + c->length_90k;
	if (c->rebase) {
		begin_timeline(c, dts);
		/* after a loop the old timeline looks like the new one */
		c->old_ref_90k = TIME_NONE;
		return c->offset_90k;
	}
	fits = llabs(dts - c->ref_90k) <= LEAP_90K && follows(dts + c->offset_90k, last);
	old = old_fits(c, dts, last);
	if (fits && old && last != TIME_NONE)
		fits = llabs(dts + c->offset_90k - last) <= llabs(dts + c->old_offset_90k - last);
	if (fits && leads)
		c->ref_90k = MAX(c->ref_90k, dts);
	if (!fits && old)
		return c->old_offset_90k;
	if (fits || !leads)
		return c->offset_90k;
	c->jumps++;
	begin_timeline(c, dts);
	return c->offset_90k;
}

void remux_clock_place(struct remux_clock *c, bool wraps, bool leads, int64_t duration_90k,
		       struct remux_track *t, int64_t *dts, int64_t *pts)
{
	int64_t ahead = *pts - *dts;

	if (wraps) {
		ahead = ts_unwrap(0, ahead & ((1ll << 33) - 1));
		*dts = ts_unwrap(c->ref_90k, *dts & ((1ll << 33) - 1));
	}
	*dts += offset_for(c, leads, *dts, t->last_dts);
	/* the PTS stays, even if the DTS had to move */
	*pts = *dts + MIN(ahead, LEAP_90K);
	if (t->last_dts != TIME_NONE && *dts <= t->last_dts)
		*dts = t->last_dts + 1;
	t->last_dts = *dts;
	*pts = MAX(*pts, *dts);
	/* an impossible length must not become a gap at the next splice */
	duration_90k = MIN(MAX(duration_90k, 0), LEAP_90K);
	t->begin_90k = t->begin_90k == TIME_NONE ? *pts : MIN(t->begin_90k, *pts);
	t->end_90k = MAX(t->end_90k, *pts + duration_90k);
	assert(*pts >= *dts && t->end_90k >= t->begin_90k);
	if (leads)
		c->frontier_90k = MAX(c->frontier_90k, t->end_90k);
}
