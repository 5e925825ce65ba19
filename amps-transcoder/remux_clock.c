/* remux_clock.c - see remux_clock.h */
#include "amps-transcoder/remux_clock.h"

#include "amps-transcoder/ts_parse.h"

#define LEAP_90K (10 * TS_HZ)

void remux_clock_init(struct remux_clock *c)
{
	*c = (struct remux_clock){.ref_90k = TIME_NONE,
				  .old_ref_90k = TIME_NONE,
				  .frontier_90k = TIME_NONE,
				  .rebase = true};
}

void remux_clock_splice(struct remux_clock *c)
{
	c->rebase = true;
}

static void begin_timeline(struct remux_clock *c, int64_t first)
{
	c->old_ref_90k = c->ref_90k;
	c->old_offset_90k = c->offset_90k;
	c->offset_90k = (c->frontier_90k == TIME_NONE ? REMUX_START_90K : c->frontier_90k) - first;
	c->ref_90k = first;
	c->rebase = false;
}

/* The offset for a packet at `dts`; a leap begins another timeline, but a packet of the old one may
 * still come behind it. */
static int64_t offset_for(struct remux_clock *c, int64_t dts)
{
	if (c->rebase) {
		begin_timeline(c, dts);
		/* a loop's old timeline looks like the new one */
		c->old_ref_90k = TIME_NONE;
		return c->offset_90k;
	}
	if (llabs(dts - c->ref_90k) <= LEAP_90K) {
		c->ref_90k = MAX(c->ref_90k, dts);
		return c->offset_90k;
	}
	if (c->old_ref_90k != TIME_NONE && llabs(dts - c->old_ref_90k) <= LEAP_90K)
		return c->old_offset_90k;
	c->leaps++;
	begin_timeline(c, dts);
	return c->offset_90k;
}

void remux_clock_place(struct remux_clock *c, bool wraps, int64_t duration_90k, int64_t *last_dts,
		       int64_t *dts, int64_t *pts)
{
	int64_t ahead = *pts - *dts, offset;

	if (wraps) {
		ahead = ts_unwrap(0, ahead & ((1ll << 33) - 1));
		*dts = ts_unwrap(c->ref_90k, *dts & ((1ll << 33) - 1));
	}
	offset = offset_for(c, *dts);
	*dts += offset;
	if (*last_dts != TIME_NONE && *dts <= *last_dts)
		*dts = *last_dts + 1;
	*last_dts = *dts;
	*pts = *dts + MAX(ahead, 0);
	if (*pts + duration_90k > c->frontier_90k)
		c->frontier_90k = *pts + duration_90k;
}
