/* clock.h - the three clocks of Amps.
 *
 * Monotonic microseconds drive every timer; wall-clock microseconds are for display and for
 * schedules; 90 kHz ticks (33 bits on the wire, 64 here) are media time. */
#ifndef AMPS_CLOCK_H
#define AMPS_CLOCK_H

#include <stdint.h>
#include "common/base.h"

#define TIME_NONE INT64_MIN /* "no such time" wherever a signed time is kept */

/* CLOCK_MONOTONIC in microseconds; never 0. */
uint64_t clock_mono_us(void);

/* CLOCK_REALTIME in microseconds since 1970. */
int64_t clock_wall_us(void);

/* Parses ISO-8601 as users write it: date, 'T' or a space, time with optional seconds and
 * fraction, then 'Z', an offset or nothing (= UTC; *ret_zoned false).  A date alone is midnight.
 * Returns 0 and microseconds since 1970, or -EINVAL.  ret_zoned may be NULL. */
must_check int time_parse_iso8601(const char *text, int64_t *ret_us, bool *ret_zoned);

/* Formats as "2026-01-31T12:00:00Z" (UTC); `text` has room for 32 bytes. */
void time_format_iso8601(int64_t wall_us, char text[32]);

#define TIME_TEXT_MAX 40
/* Formats as "2026-01-31T12:00:00.123Z" (UTC). */
void time_format_ms(int64_t wall_us, char text[TIME_TEXT_MAX]);

#endif
