/* wall_timer.h - a timer for a time on the calendar: it follows every change of the clock.
 *
 * Owned by the master's loop. */
#ifndef AMPS_WALL_TIMER_H
#define AMPS_WALL_TIMER_H

#include <event2/event.h>
#include "common/base.h"

struct wall_timer;

/* `fire` is called once for each wall_timer_set() when its time has come, and whenever the clock
 * was set, for what was over may be ahead again; the timer is disarmed then.  0 or -Exxx. */
must_check int wall_timer_new(struct event_base *base, void (*fire)(void *owner), void *owner,
			      struct wall_timer **ret);
struct wall_timer *wall_timer_free(struct wall_timer *t); /* returns NULL; accepts NULL */

/* Arms it for this wall time (a past one: at once), or disarms it for TIME_NONE. */
void wall_timer_set(struct wall_timer *t, int64_t wall_us);

#endif
