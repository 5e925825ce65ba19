/* wall_timer.h - a timer for a wall-clock time; it follows every change of the clock.
 *
 * Owned by the master's loop. */
#ifndef AMPS_WALL_TIMER_H
#define AMPS_WALL_TIMER_H

#include <event2/event.h>
#include "common/base.h"

struct wall_timer;

/* `fire` is called when the time of wall_timer_set() is reached, and whenever the clock was set,
 * even while the timer is not armed: a time in the past may be in the future again.  The timer is
 * disarmed before the call.  0 or -Exxx. */
must_check int wall_timer_new(struct event_base *base, void (*fire)(void *owner), void *owner,
			      struct wall_timer **ret);
struct wall_timer *wall_timer_free(struct wall_timer *t); /* returns NULL; accepts NULL */

/* Arms it for this wall time (a time in the past: at once); TIME_NONE disarms it. */
void wall_timer_set(struct wall_timer *t, int64_t wall_us);

#endif
