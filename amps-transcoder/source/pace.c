#include "amps-transcoder/source/pace.h"

#include <assert.h>

#define LEAP_US 10000000 /* a larger step of the clock is a jump */

static int64_t ticks_us(int64_t ticks_90k)
{
	return ticks_90k * 100 / 9;
}

void pace_init(struct pace *p, enum pace_kind kind)
{
	*p = (struct pace){.kind = kind, .last_90k = TIME_NONE};
}

static int64_t lead_us(const struct pace *p)
{
	if (p->kind == PACE_LIVE)
		return MAX(PACE_LEAD_LIVE_US, p->more_us + PACE_SLACK_US);
	return p->more_us + (p->kind == PACE_FILE ? PACE_LEAD_FILE_US : 0);
}

static void window_begin(struct pace *p, int64_t clock_90k, uint64_t now_us)
{
	p->window_90k = clock_90k;
	p->window_us = now_us;
	p->held = false;
}

/* Restarts the measurement here, keeping the present lead. */
static void rebase(struct pace *p, int64_t clock_90k, uint64_t now_us, int64_t ahead_us)
{
	p->base_90k = clock_90k;
	p->base_us = (uint64_t)((int64_t)now_us + ahead_us);
	window_begin(p, clock_90k, now_us);
}

static int64_t ahead_of(const struct pace *p, int64_t clock_90k, uint64_t now_us)
{
	return ticks_us(clock_90k - p->base_90k) - (int64_t)(now_us - p->base_us);
}

/* How far the source may be ahead now. */
static int64_t allowed_us(const struct pace *p, uint64_t now_us)
{
	if (!p->trial)
		return lead_us(p);
	return lead_us(p) + PACE_SLACK_US +
	       (int64_t)(now_us - p->window_us) * PACE_FASTER_PERMIL / 1000;
}

/* Handles the windows of a live source.  In a trial window it gets some slack.  If it does not use
 * that up, it keeps real time, and its present lead (or lag) becomes the reference.  Otherwise it
 * is throttled for a window before the next trial. */
static void follow_drift(struct pace *p, int64_t clock_90k, uint64_t now_us)
{
	int64_t wall_us = (int64_t)(now_us - p->window_us);
	int64_t media_us = ticks_us(clock_90k - p->window_90k);
	bool passed =
		p->trial && !p->held && media_us * 1000 <= wall_us * (1000 + PACE_FASTER_PERMIL);

	assert(p->kind == PACE_LIVE);
	if (wall_us < PACE_WINDOW_US)
		return;
	p->trial = !p->trial || !p->held;
	if (passed)
		rebase(p, clock_90k, now_us, 0);
	else
		window_begin(p, clock_90k, now_us);
}

uint64_t pace_delay_us(struct pace *p, int64_t clock_90k, uint64_t now_us)
{
	int64_t ahead_us, step_us;

	if (p->kind == PACE_NONE || clock_90k == TIME_NONE)
		return 0;
	step_us = p->last_90k == TIME_NONE ? 0 : ticks_us(clock_90k - p->last_90k);
	if (p->last_90k == TIME_NONE)
		rebase(p, clock_90k, now_us, 0);
	else if (step_us > LEAP_US || step_us < -LEAP_US)
		rebase(p, clock_90k, now_us, MAX(ahead_of(p, p->last_90k, now_us), 0));
	p->last_90k = clock_90k;
	if (p->kind == PACE_LIVE)
		follow_drift(p, clock_90k, now_us);
	ahead_us = ahead_of(p, clock_90k, now_us);
	/* do not catch up with a burst after a slow disk or a stopped process */
	if (p->kind != PACE_LIVE && ahead_us < -PACE_LEAD_FILE_US)
		rebase(p, clock_90k, now_us, 0);
	if (ahead_us <= allowed_us(p, now_us) + PACE_LUMP_US)
		return 0;
	p->held = true;
	return (uint64_t)(ahead_us - allowed_us(p, now_us));
}
