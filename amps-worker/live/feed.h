/* feed.h - the fan-out: brings what is new in the rings to their viewers.
 *
 * A pass goes over the viewers of all rings that are due (schedule.h), in slices of FEED_SLICE_US,
 * with the loop's other work in between. */
#ifndef AMPS_FEED_H
#define AMPS_FEED_H

#include "amps-worker/live/schedule.h"

#define FEED_SLICE_US	2000u
#define FEED_STARVED_US 5000u /* an unfinished pass that has not run for so long goes first */

/* The schedule's timer runs the passes from now on. */
void feed_init(struct schedule *s, struct event_base *base);
void feed_done(struct schedule *s);

/* To be called from events of higher priority: runs a slice when the pass has been starved. */
void feed_catch_up(struct schedule *s);

#endif
