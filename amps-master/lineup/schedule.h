/* schedule.h - when a scheduled entry is on air.  Pure: the caller brings the wall time. */
#ifndef AMPS_SCHEDULE_H
#define AMPS_SCHEDULE_H

#include <jansson.h>
#include "common/base.h"
#include "common/clock.h"

/* From `start` up to, not including, `end`; TIME_NONE = open on that side. */
struct schedule_window {
	int64_t start_wall_us;
	int64_t end_wall_us;
};
#define SCHEDULE_ALWAYS ((struct schedule_window){TIME_NONE, TIME_NONE})

/* Reads an entry's "schedule": {"start","end"}; what is left out, or the whole, is open.  0, or
 * -EINVAL (no mapping, an unreadable time, end not after start). */
must_check int schedule_parse(const json_t *entry, struct schedule_window *ret);

bool schedule_on_air(const struct schedule_window *w, int64_t wall_us);

/* The next time after wall_us at which schedule_on_air() changes, or TIME_NONE. */
int64_t schedule_next_change(const struct schedule_window *w, int64_t wall_us);

/* The earlier of two times, either of which may be TIME_NONE. */
int64_t schedule_earlier(int64_t a_wall_us, int64_t b_wall_us);

#endif
