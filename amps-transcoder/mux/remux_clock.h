/* remux_clock.h - maps the timestamps of a demuxer to one timeline in 90 kHz: unwraps 33 bits,
 * closes jumps, and makes the DTS of every stream grow.  Pure. */
#ifndef AMPS_REMUX_CLOCK_H
#define AMPS_REMUX_CLOCK_H

#include "common/base.h"
#include "common/clock.h"

#define REMUX_START_90K (10 * 90000) /* where the timeline begins: well above zero */

/* One stream on our timeline; begin with REMUX_TRACK_NEW. */
struct remux_track {
	int64_t last_dts; /* TIME_NONE */
	int64_t begin_90k,
		end_90k; /* smallest PTS, largest PTS + duration of this round; TIME_NONE */
};
#define REMUX_TRACK_NEW                                                                            \
	(struct remux_track)                                                                       \
	{                                                                                          \
		TIME_NONE, TIME_NONE, TIME_NONE                                                    \
	}

struct remux_clock {
	int64_t ref_90k;    /* last leading DTS, unwrapped; TIME_NONE */
	int64_t offset_90k; /* added to the source's times */
	int64_t old_ref_90k,
		old_offset_90k;	  /* offset of the previous timeline, for its late packets */
	int64_t begun_90k;	  /* frontier when the present timeline began */
	int64_t frontier_90k;	  /* largest leading pts + duration; TIME_NONE */
	bool rebase;		  /* the next packet begins another timeline */
	int64_t round_offset_90k; /* offset_90k when the present round began */
	int64_t length_90k;	  /* of the round that is being repeated; TIME_NONE */
	uint64_t jumps;
};

void remux_clock_init(struct remux_clock *c);

/* The round begins again: the same packets follow, `length_90k` later.  If it is another source, or
 * the length is TIME_NONE, it is placed at the frontier. */
void remux_clock_repeat(struct remux_clock *c, int64_t length_90k);

/* Extends the length of the ending round (TIME_NONE at first) by this stream, so that no stream
 * begins again before it has ended.  The track's own round begins again. */
int64_t remux_track_repeat(struct remux_track *t, int64_t length_90k);

/* Places one packet: *dts and *pts in 90 kHz of the source in, of the output's timeline out.
 * `wraps`: they have 33 bits.  `leads`: it is picture or sound.  Only those judge whether the
 * source's time has jumped and how far the timeline has come; subtitles may pause for minutes and
 * are sent ahead of their time. */
void remux_clock_place(struct remux_clock *c, bool wraps, bool leads, int64_t duration_90k,
		       struct remux_track *t, int64_t *dts, int64_t *pts);

#endif
