#include "amps-transcoder/encode/effort.h"

#include <assert.h>

#define LEAP_90K     (10 * 90000) /* times further apart are not of one stream of media */
#define PERMIL_MAX   1000000
#define LONGEST_SKIP (600 * 90000) /* no ring is longer */

void effort_waited(struct effort *e, uint64_t us)
{
	e->waited_us += us;
}

static void begin(struct effort *e, int64_t time_90k, uint64_t now_us)
{
	e->since_us = now_us;
	e->waited_us = 0;
	e->from_90k = e->newest_90k = time_90k;
}

/* Behind a skip: the pictures that would have been between. */
static void count_dropped(struct effort *e, int64_t time_90k)
{
	int64_t missing_90k = time_90k - e->newest_90k;

	if (e->pictures && e->apart_90k > 0 && missing_90k > e->apart_90k &&
	    missing_90k < LONGEST_SKIP)
		e->dropped += (uint64_t)(missing_90k / e->apart_90k) - 1;
}

/* The measurement is over.  False: it has taken nothing. */
static bool finish(struct effort *e, uint64_t now_us, struct effort_report *ret)
{
	uint64_t passed_us = now_us - e->since_us;
	uint64_t busy_us = MAX(passed_us - MIN(e->waited_us, passed_us), 1u);
	uint64_t taken_us = (uint64_t)(e->newest_90k - e->from_90k) * 100 / 9;

	assert(e->newest_90k >= e->from_90k);
	if (e->newest_90k == e->from_90k)
		return false;
	*ret = (struct effort_report){
		.permil = (uint32_t)MIN(taken_us * 1000 / busy_us, (uint64_t)PERMIL_MAX),
		.dropped = e->dropped};
	e->dropped = 0;
	return true;
}

bool effort_take(struct effort *e, bool picture, int64_t time_90k, uint64_t now_us,
		 struct effort_report *ret)
{
	int64_t step_90k;
	bool leaps, found = false;

	if (time_90k == TIME_NONE || (e->pictures && !picture))
		return false;
	if (picture && !e->pictures)
		*e = (struct effort){.newest_90k = TIME_NONE, .pictures = true};
	step_90k = e->newest_90k == TIME_NONE ? 0 : time_90k - e->newest_90k;
	leaps = e->newest_90k == TIME_NONE || step_90k > LEAP_90K || step_90k < -LEAP_90K;
	if (e->skipped && e->newest_90k != TIME_NONE) {
		count_dropped(e, time_90k);
		found = finish(e, now_us, ret);
	}
	if (e->skipped || leaps) {
		e->skipped = false;
		begin(e, time_90k, now_us);
		return found;
	}
	if (step_90k <= 0)
		return false;
	e->apart_90k = step_90k;
	e->newest_90k = time_90k;
	if (now_us - e->since_us < EFFORT_REPORT_US)
		return false;
	found = finish(e, now_us, ret);
	begin(e, time_90k, now_us);
	return found;
}

void effort_skip(struct effort *e, bool slow)
{
	if (slow)
		e->skipped = true;
	else
		e->newest_90k = TIME_NONE;
}
