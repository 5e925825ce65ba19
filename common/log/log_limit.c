#include "common/log/log_limit.h"

#include <assert.h>
#include <string.h>

#include "common/hash.h"

#define WAYS 8u /* slots that a pair of site and channel may use */

static bool is_over(const struct log_slot *s, uint64_t now_us)
{
	return now_us - s->window_us >= LOG_WINDOW_US;
}

/* The slot of this pair, a free one, or NULL. */
static struct log_slot *find_slot(struct log_limit *l, const struct log_event *e, uint64_t now_us)
{
	uint64_t at = hash_end(hash_u64(hash_u64(HASH_START, (uintptr_t)e->site), e->channel));
	struct log_slot *unused = NULL;

	for (unsigned i = 0; i < WAYS; i++) {
		struct log_slot *s = &l->slots[(at + i) % LOG_SLOTS];

		if (s->site == e->site && s->channel == e->channel)
			return s;
		if (!unused && (!s->site || (is_over(s, now_us) && !s->held.message)))
			unused = s;
	}
	if (unused)
		*unused = (struct log_slot){.site = e->site, .channel = e->channel};
	return unused;
}

static void hold(struct log_limit *l, struct log_slot *s, const struct log_event *e)
{
	size_t message = strlen(e->message) + 1, fields = strlen(e->fields) + 1;
	unsigned more = s->held.message ? s->held.more + 1 : 0;
	char *block = malloc(message + fields);

	assert(s->site == e->site && l->held_count <= LOG_SLOTS);
	if (!block) {
		s->held.more++;
		return;
	}
	memcpy(block, e->message, message);
	memcpy(block + message, e->fields, fields);
	if (!s->held.message) {
		l->due_us = l->held_count++ ? MIN(l->due_us, s->window_us + LOG_WINDOW_US)
					    : s->window_us + LOG_WINDOW_US;
	}
	free(s->held.message);
	s->held = (struct log_held){
		.level = e->level, .more = more, .message = block, .fields = block + message};
}

bool log_limit_pass(struct log_limit *l, const struct log_event *e, uint64_t now_us)
{
	struct log_slot *s = find_slot(l, e, now_us);

	if (!s)
		return true;
	if (!s->window_us || (is_over(s, now_us) && !s->held.message)) {
		s->window_us = now_us;
		s->passed = 0;
	}
	assert(s->window_us <= now_us);
	if (s->passed < e->allowed) {
		s->passed++;
		return true;
	}
	hold(l, s, e);
	return false;
}

bool log_limit_due(struct log_limit *l, uint64_t now_us, bool all, struct log_held *ret)
{
	uint64_t next_us = UINT64_MAX;

	if (!l->held_count || (!all && now_us < l->due_us))
		return false;
	for (size_t i = 0; i < LOG_SLOTS; i++) {
		struct log_slot *s = &l->slots[i];

		if (!s->held.message)
			continue;
		if (all || is_over(s, now_us)) {
			*ret = s->held;
			s->held = (struct log_held){0};
			s->window_us = now_us;
			s->passed = 1;
			assert(l->held_count > 0);
			l->held_count--;
			return true;
		}
		next_us = MIN(next_us, s->window_us + LOG_WINDOW_US);
	}
	l->due_us = next_us;
	return false;
}
