/* cushion.h - holds a transport stream back and lets it go by its own clock, so that the pauses of
 * a source that delivers in bursts are not seen behind it.
 *
 *	source -> stage (whole packets) -> blocks, each with its time -> the ring's sink
 *
 * Media time is counted from the clock references (decode times where there are none): a jump of
 * the clock counts like the step before it, and time that the source has left out counts only as
 * long as the source has really paused.
 *
 *	FILLING  nothing is let go, until the media of `hold_us` are held or that time has passed;
 *	         the first time no longer than until `first_until_us`
 *	PLAYING  a block is let go at its media time + offset
 *	           newest media already due (the pause was too long)  -> FILLING
 *	           more than CUSHION_SLACK_US beyond hold_us is held   -> the rest is let go at once
 *	           the most that is held drifts away from hold_us      -> offset follows by 0.5%
 *
 * A pause that is longer than the cushion therefore lasts as long as it would without a cushion.
 * The memory is bounded: what does not fit is let go early.  Pure except for its memory; times are
 * given. */
#ifndef AMPS_TS_CUSHION_H
#define AMPS_TS_CUSHION_H

#include "amps-transcoder/ts/clock_watch.h"

#define CUSHION_SLACK_US 1000000

struct cushion;

/* first_until_us: when the first filling ends at the latest.  0 or -ENOMEM. */
must_check int cushion_new(uint64_t hold_us, uint64_t first_until_us, struct cushion **ret);
struct cushion *cushion_free(struct cushion *c); /* returns NULL; accepts NULL */

/* Where the next bytes of the source go and how many fit; any alignment. */
uint8_t *cushion_space(struct cushion *c, size_t *ret_cap);
/* n bytes were put there.  Take what is due before the next. */
void cushion_put(struct cushion *c, size_t n, uint64_t now_us);

/* The source begins again from its first byte, in a loop. */
void cushion_repeat(struct cushion *c);

/* Whole packets that are due. */
struct cushion_piece {
	const uint8_t *bytes; /* borrowed until the next call */
	size_t n;	      /* may be 0 */
	bool repeat;	      /* cushion_repeat() came before them */
};
/* False: nothing is due now. */
must_check bool cushion_take(struct cushion *c, uint64_t now_us, struct cushion_piece *ret);

/* All that is held is due now, and what comes will be at once. */
void cushion_let_go(struct cushion *c);

/* When all that is held will have been let go, if nothing comes any more; 0 = nothing is held. */
uint64_t cushion_empty_us(const struct cushion *c);

/* True once it had to let bytes go early because there was no room. */
bool cushion_overflowed(const struct cushion *c);

/* What was found in the source so far.  The clock is media time, without jumps; TIME_NONE before
 * the first. */
int64_t cushion_clock_90k(const struct cushion *c);
uint64_t cushion_media_packets(const struct cushion *c);
const struct clock_watch *cushion_clock_watch(const struct cushion *c);
uint64_t cushion_losses(const struct cushion *c); /* of sync */

#endif
