/* backoff.h - the delay before a child that exited is started again.  Pure: no clock, no timer.
 *
 * The first restart is immediate.  While children keep exiting early, the delay starts at min_ms
 * and doubles up to max_ms.  A child that did useful work resets it. */
#ifndef AMPS_BACKOFF_H
#define AMPS_BACKOFF_H

#include "common/base.h"
#include "common/limits.h"

struct backoff {
	uint32_t min_ms, max_ms;
	uint32_t next_ms; /* the delay after the next early exit */
};

void backoff_init(struct backoff *b, uint32_t min_ms, uint32_t max_ms);

/* A child exited; `young`: before it did useful work.  Returns the delay before the next one. */
uint32_t backoff_next_ms(struct backoff *b, bool young);

/* Limits all restarts together: at most FORKS_PER_SECOND_MAX in any second. */
struct fork_brake {
	uint64_t started_us[FORKS_PER_SECOND_MAX]; /* of the last forks; a circular buffer */
	unsigned next;				   /* the oldest entry */
};

/* How long to wait from now_us until one more fork is allowed; 0 = none.  `now_us` never goes
 * back. */
uint64_t fork_brake_wait_us(const struct fork_brake *f, uint64_t now_us);
void fork_brake_record(struct fork_brake *f, uint64_t now_us);

#endif
