/* backoff.h - when a child that died may be started again.  Pure: no clock, no timer.
 *
 * The first restart is immediate; only children that keep dying young make it wait, from min_ms,
 * doubled each time, up to max_ms.  One that lived clears the record. */
#ifndef AMPS_BACKOFF_H
#define AMPS_BACKOFF_H

#include "common/base.h"
#include "common/limits.h"

struct backoff {
	uint32_t min_ms, max_ms;
	uint32_t next_ms; /* what the next young death will cost */
};

void backoff_init(struct backoff *b, uint32_t min_ms, uint32_t max_ms);

/* A child died; `young`: before it was of any use.  Returns the delay before its successor. */
uint32_t backoff_next_ms(struct backoff *b, bool young);

/* A brake on all restarts together: at most FORKS_PER_SECOND_MAX in any second. */
struct fork_brake {
	uint64_t started_us[FORKS_PER_SECOND_MAX]; /* the last ones, a circle */
	unsigned next;
};

/* How long to wait from now_us until one more fork is allowed; 0 = go. */
uint64_t fork_brake_wait_us(const struct fork_brake *f, uint64_t now_us);
void fork_brake_record(struct fork_brake *f, uint64_t now_us);

#endif
