#include "common/shm/chantab.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/shm/words.h"

#define READ_TRIES 64

static struct tuner_slot *tuner_at(const void *map, size_t index)
{
	return (struct tuner_slot *)(void *)((char *)map + CHANTAB_TUNERS_OFFSET) + index;
}

static struct output_slot *output_at(const void *map, size_t index)
{
	return (struct output_slot *)(void *)((char *)map + CHANTAB_OUTPUTS_OFFSET) + index;
}

void chantab_init(void *map)
{
	struct chantab_header *h = map;

	assert(h->magic == 0);
	h->version = CHANTAB_VERSION;
	h->tuner_count = TUNERS_MAX;
	h->output_count = OUTPUTS_MAX;
	h->tuner_bytes = sizeof(struct tuner_slot);
	h->output_bytes = sizeof(struct output_slot);
	h->magic = CHANTAB_MAGIC;
}

int chantab_check(const void *map)
{
	const struct chantab_header *h = map;

	if (h->magic != CHANTAB_MAGIC || h->version != CHANTAB_VERSION ||
	    h->tuner_count != TUNERS_MAX || h->output_count != OUTPUTS_MAX ||
	    h->tuner_bytes != sizeof(struct tuner_slot) ||
	    h->output_bytes != sizeof(struct output_slot))
		return -EINVAL;
	return 0;
}

/* A slot begins with its counter; the rest is payload. */
static void slot_put(_Atomic uint32_t *sequence, const void *from, size_t bytes)
{
	uint32_t even = atomic_load_explicit(sequence, memory_order_relaxed);

	assert(even % 2 == 0); /* only the master writes, one slot at a time */
	atomic_store_explicit(sequence, even + 1, memory_order_relaxed);
	words_store(sequence + 1, (const char *)from + sizeof(*sequence),
		    bytes - sizeof(*sequence));
	atomic_store_explicit(sequence, even + 2, memory_order_release);
}

static int slot_get(_Atomic uint32_t *sequence, void *to, size_t bytes)
{
	for (unsigned i = 0; i < READ_TRIES; i++) {
		uint32_t before = atomic_load_explicit(sequence, memory_order_acquire);

		if (before & 1)
			continue;
		words_load((char *)to + sizeof(*sequence), sequence + 1, bytes - sizeof(*sequence));
		if (atomic_load_explicit(sequence, memory_order_relaxed) == before)
			return 0;
	}
	return -EAGAIN;
}

void chantab_put_tuner(void *map, size_t index, const struct tuner_slot *slot)
{
	assert(index < TUNERS_MAX && slot->state < TUNER_STATE_COUNT_);
	slot_put(&tuner_at(map, index)->sequence, slot, sizeof(*slot));
}

void chantab_put_output(void *map, size_t index, const struct output_slot *slot)
{
	assert(index < OUTPUTS_MAX && slot->state < TUNER_STATE_COUNT_ && slot->tuner < TUNERS_MAX);
	slot_put(&output_at(map, index)->sequence, slot, sizeof(*slot));
}

static struct event_slot *event_at(const void *map, uint64_t number)
{
	return (struct event_slot *)(void *)((char *)map + CHANTAB_EVENTS_OFFSET) +
	       number % EVENTS_KEPT;
}

void chantab_put_event(void *map, enum event_kind kind, uint32_t channel, const char *old_group,
		       const char *text)
{
	struct chantab_header *h = map;
	struct event_slot slot = {.kind = kind, .channel = channel};
	uint64_t last = atomic_load_explicit(&h->last_event, memory_order_relaxed);

	assert(kind < EVENT_KIND_COUNT_);
	if (strlen(text) >= sizeof(slot.text))
		return;
	/* the wall clock in milliseconds: above every number of an earlier run */
	slot.number = last ? last + 1 : (uint64_t)clock_wall_us() / 1000;
	memcpy(slot.text, text, strlen(text) + 1);
	if (old_group && strlen(old_group) < sizeof(slot.old_group))
		memcpy(slot.old_group, old_group, strlen(old_group) + 1);
	slot_put(&event_at(map, slot.number)->sequence, &slot, sizeof(slot));
	atomic_store_explicit(&h->last_event, slot.number, memory_order_release);
}

uint64_t chantab_last_event(const void *map)
{
	const struct chantab_header *h = map;

	return atomic_load_explicit(&h->last_event, memory_order_acquire);
}

int chantab_get_event(const void *map, uint64_t number, struct event_slot *ret)
{
	struct event_slot copy = {0};
	int r = slot_get(&event_at(map, number)->sequence, &copy, sizeof(copy));

	if (r < 0)
		return r;
	if (copy.number != number || copy.kind >= EVENT_KIND_COUNT_)
		return -ENOENT;
	copy.text[sizeof(copy.text) - 1] = '\0';
	copy.old_group[sizeof(copy.old_group) - 1] = '\0';
	*ret = copy;
	return 0;
}

int chantab_get_tuner(const void *map, size_t index, struct tuner_slot *ret)
{
	struct tuner_slot copy = {0};
	int r = index < TUNERS_MAX ? slot_get(&tuner_at(map, index)->sequence, &copy, sizeof(copy))
				   : -EINVAL;

	if (r == 0)
		*ret = copy;
	return r;
}

int chantab_get_output(const void *map, size_t index, struct output_slot *ret)
{
	struct output_slot copy = {0};
	int r = index < OUTPUTS_MAX
			? slot_get(&output_at(map, index)->sequence, &copy, sizeof(copy))
			: -EINVAL;

	if (r == 0)
		*ret = copy;
	return r;
}

const char *tuner_state_name(enum tuner_state state)
{
	static const char *const names[TUNER_STATE_COUNT_] = {
		[TUNER_IDLE] = "idle",
		[TUNER_STARTING] = "starting",
		[TUNER_RUNNING] = "running",
		[TUNER_STALLED] = "stalled",
		[TUNER_RESTARTING] = "restarting",
		[TUNER_ENDED] = "ended",
		[TUNER_FAILED] = "failed",
	};

	return state < TUNER_STATE_COUNT_ ? names[state] : "?";
}
