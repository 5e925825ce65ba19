#include "amps-transcoder/encode/timeline.h"

#include <assert.h>
#include <string.h>

#include "amps-transcoder/ts/parse.h"

#define JUMP_BACK_90K	 90000	/* a step back of more than one second is a jump */
#define JUMP_FORWARD_90K 900000 /* so is one of more than ten ahead; a smaller one is loss */
#define REREAD_90K	 900000 /* a source is read again from so far behind */
#define BEGIN_90K	 90000	/* not near zero: encoders go below the first PTS */
#define BEGIN_SHIFT_90K	 900000
#define FAR_90K		 900000 /* limit of reordering and of the duration of a picture */

void timeline_init(struct timeline *t, int64_t at_least, bool same_clock)
{
	memset(t, 0, sizeof(*t));
	t->at_least = at_least;
	t->same_clock = same_clock;
	t->near = t->frontier = TIME_NONE;
	timeline_restart(t);
}

void timeline_restart(struct timeline *t)
{
	for (size_t i = 0; i < TIMELINE_STREAMS_MAX; i++)
		t->next[i] = TIME_NONE;
}

void timeline_rewind(struct timeline *t)
{
	timeline_restart(t);
	t->frontier = TIME_NONE;
}

static bool fits(int64_t expected, int64_t time)
{
	return time >= expected - JUMP_BACK_90K && time <= expected + JUMP_FORWARD_90K;
}

/* Is this first time one of the clock that `at_least` is of? */
static bool goes_on(const struct timeline *t, int64_t time)
{
	if (t->same_clock && time < t->at_least)
		return time >= t->at_least - REREAD_90K;
	return fits(t->at_least, time);
}

static void begin(struct timeline *t, int64_t time)
{
	assert(!t->begun);
	t->begun = true;
	if (t->at_least != TIME_NONE && !goes_on(t, time))
		t->offset[0] = t->at_least - time;
	else if (t->at_least == TIME_NONE && time < BEGIN_90K)
		t->offset[0] = BEGIN_SHIFT_90K;
	t->offset[1] = t->offset[0];
}

/* The offset at which `time` follows the last time of the stream, or of all streams. */
static int64_t choose_offset(struct timeline *t, unsigned stream, bool leads, int64_t time)
{
	int64_t expected = t->next[stream] != TIME_NONE ? t->next[stream] : t->frontier;

	if (expected == TIME_NONE || fits(expected, time + t->offset[0]))
		return t->offset[0];
	/* a stream that paused continues at the time of the others */
	if (t->frontier != TIME_NONE && fits(t->frontier, time + t->offset[0]))
		return t->offset[0];
	if (fits(expected, time + t->offset[1]))
		return t->offset[1];
	if (!leads)
		return t->offset[0];
	assert(t->begun);
	t->jumps++;
	t->offset[1] = t->offset[0];
	t->offset[0] = t->frontier - time;
	return t->offset[0];
}

void timeline_map(struct timeline *t, unsigned stream, bool leads, int64_t *pts, int64_t *dts,
		  int64_t duration)
{
	int64_t time = *dts != TIME_NONE ? *dts : *pts, offset, late;

	if (time == TIME_NONE || stream >= TIMELINE_STREAMS_MAX)
		return;
	if (!leads && !t->begun) {
		*pts = *dts = TIME_NONE;
		return;
	}
	late = *pts != TIME_NONE ? ts_unwrap(0, *pts - time) : 0;
	if (late > FAR_90K || late < -FAR_90K)
		late = 0;
	duration = MIN(duration, FAR_90K);
	/* a clock that has wrapped is where it was, not at its beginning */
	if (!t->begun && t->same_clock && t->at_least != TIME_NONE)
		t->near = t->at_least;
	time = ts_unwrap(t->near, time);
	if (leads)
		t->near = time;
	if (!t->begun)
		begin(t, time);
	offset = choose_offset(t, stream, leads, time);
	if (*dts != TIME_NONE)
		*dts = time + offset;
	if (*pts != TIME_NONE)
		*pts = time + offset + late;
	t->next[stream] = time + offset + duration;
	if (leads && (t->frontier == TIME_NONE || time + offset + late + duration > t->frontier))
		t->frontier = time + offset + MAX(late, 0) + duration;
}

int64_t timeline_follow(struct timeline *t, unsigned stream, bool leads, int64_t duration)
{
	int64_t time;

	if (stream >= TIMELINE_STREAMS_MAX || t->next[stream] == TIME_NONE)
		return TIME_NONE;
	time = t->next[stream];
	t->next[stream] += duration;
	if (leads)
		t->frontier = MAX(t->frontier, t->next[stream]);
	return time;
}
