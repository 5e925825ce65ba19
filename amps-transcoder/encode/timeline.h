/* timeline.h - maps the timestamps of a source to one continuous timeline: unwraps 33 bits and
 * closes jumps.  Pure. */
#ifndef AMPS_TIMELINE_H
#define AMPS_TIMELINE_H

#include "common/base.h"
#include "common/clock.h"

#define TIMELINE_STREAMS_MAX 64

struct timeline {
	int64_t offset[2]; /* present, and before the last jump: streams jump one after the other */
	bool begun;
	int64_t at_least; /* where the timeline must begin; TIME_NONE */
	bool same_clock;
	int64_t near;			    /* last leading time, unwrapped, before the offset */
	int64_t next[TIMELINE_STREAMS_MAX]; /* expected, after the offset; TIME_NONE */
	int64_t frontier;		    /* largest leading end, after the offset; TIME_NONE */
	uint64_t jumps;
};

/* Mapped times are not clearly before `at_least` (TIME_NONE: no limit).  `same_clock`: the source's
 * times were the same before, so that they stay as they are although it is read again from an
 * earlier place. */
void timeline_init(struct timeline *t, int64_t at_least, bool same_clock);

/* Another source, or the same one reopened: streams are new, the timeline continues. */
void timeline_restart(struct timeline *t);

/* The same source from an earlier place: its times are mapped as before. */
void timeline_rewind(struct timeline *t);

/* Maps a timestamp pair (90 kHz; TIME_NONE if there is none) in place.  `leads`: the stream is
 * picture or sound.  Only those judge whether the source's time has jumped and how far the timeline
 * has come; subtitles may pause for minutes and are sent ahead of their time.  A stream that does
 * not lead has no time (TIME_NONE) before one that does has begun the timeline. */
void timeline_map(struct timeline *t, unsigned stream, bool leads, int64_t *pts, int64_t *dts,
		  int64_t duration);

/* The time of a packet without one: where the stream's last packet ended.  TIME_NONE before that.
 */
int64_t timeline_follow(struct timeline *t, unsigned stream, bool leads, int64_t duration);

#endif
