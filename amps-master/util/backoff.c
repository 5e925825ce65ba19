#include "amps-master/util/backoff.h"

#include <assert.h>

void backoff_init(struct backoff *b, uint32_t min_ms, uint32_t max_ms)
{
	assert(min_ms > 0 && min_ms <= max_ms);
	*b = (struct backoff){.min_ms = min_ms, .max_ms = max_ms};
}

uint32_t backoff_next_ms(struct backoff *b, bool young)
{
	uint32_t delay = young ? b->next_ms : 0;

	assert(b->min_ms > 0 && delay <= b->max_ms);
	b->next_ms = delay == 0 ? b->min_ms : MIN(delay * 2, b->max_ms);
	return delay;
}

uint64_t fork_brake_wait_us(const struct fork_brake *f, uint64_t now_us)
{
	uint64_t oldest;

	assert(f->next < FORKS_PER_SECOND_MAX);
	oldest = f->started_us[f->next];
	assert(oldest <= now_us);
	if (oldest == 0 || now_us - oldest >= 1000000)
		return 0;
	return oldest + 1000000 - now_us;
}

void fork_brake_record(struct fork_brake *f, uint64_t now_us)
{
	assert(f->next < FORKS_PER_SECOND_MAX);
	f->started_us[f->next] = now_us;
	f->next = (f->next + 1) % FORKS_PER_SECOND_MAX;
}
