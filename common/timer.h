/* timer.h - timeouts of events in microseconds. */
#ifndef AMPS_TIMER_H
#define AMPS_TIMER_H

#include <event2/event.h>
#include "common/base.h"

/* Adds the event with this timeout, which replaces the one it has.  0, or -1 without memory, only
 * at its first call. */
static inline int timer_set(struct event *event, uint64_t us)
{
	const struct timeval tv = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

	return event_add(event, &tv);
}

#endif
