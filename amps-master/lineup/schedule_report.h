/* schedule_report.h - scheduled channels as `amps schedule` shows them.  Pure, any thread. */
#ifndef AMPS_SCHEDULE_REPORT_H
#define AMPS_SCHEDULE_REPORT_H

#include "amps-master/lineup/channel_rules.h"

/* Appends {"id","name","state","start","end"} for an entry that is scheduled and has a readable
 * window, nothing for others.  `state` as of wall_us is "waiting", "on air" or "ended"; the times
 * are ISO-8601 in UTC, null where the window is open.  0 or -ENOMEM. */
must_check int schedule_report_add(json_t *list, const struct channel_entry *entry,
				   int64_t wall_us);

#endif
