/* race_chantab.c - one thread writes a tuner slot of the channel table as fast as it can, two copy it.
 * Exits 0 when no torn copy was accepted and enough copies were made during the writes.  With the
 * argument "blind" the readers ignore the slot's counter; torn copies must then appear, which proves
 * that the counter prevents them. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "common/shm/chantab.h"
#include "common/shm/words.h"

#define SLOT   7u
#define COPIES 20000u
#define ROUNDS 200000000u /* then the test fails */

struct shared {
	void *map;
	bool blind;
	_Atomic bool stop;
	_Atomic unsigned good, torn, refused;
};

/* Every field holds the same number. */
static struct tuner_slot slot_of(uint32_t n)
{
	struct tuner_slot slot = {
		.state = n % TUNER_STATE_COUNT_,
		.channel = n,
		.restarts = n,
		.wants = n,
		.bitrate_in = n,
	};

	memset(slot.key, (int)(n & 0x7f), sizeof(slot.key));
	memset(slot.last_error, (int)(n & 0x7f), sizeof(slot.last_error));
	return slot;
}

static int slot_copy(const struct shared *s, struct tuner_slot *ret)
{
	const char *slots = (const char *)s->map + CHANTAB_TUNERS_OFFSET;

	if (!s->blind)
		return chantab_get_tuner(s->map, SLOT, ret);
	words_load(ret, slots + SLOT * sizeof(*ret), sizeof(*ret));
	return 0;
}

static void *read_all(void *arg)
{
	struct shared *s = arg;

	while (!atomic_load(&s->stop)) {
		struct tuner_slot got, expected;

		if (slot_copy(s, &got) < 0) {
			atomic_fetch_add(&s->refused, 1);
			continue;
		}
		expected = slot_of(got.channel);
		atomic_store(&expected.sequence, atomic_load(&got.sequence));
		atomic_fetch_add(memcmp(&got, &expected, sizeof(got)) == 0 ? &s->good : &s->torn,
				 1);
	}
	return NULL;
}

static bool enough(const struct shared *s)
{
	return s->blind ? atomic_load(&s->torn) > 0 : atomic_load(&s->good) >= COPIES;
}

int main(int argc, char **argv)
{
	struct shared s = {.blind = argc > 1 && strcmp(argv[1], "blind") == 0};
	pthread_t readers[2];
	uint32_t round = 0;
	bool ok;

	s.map = calloc(1, CHANTAB_BYTES);
	if (s.map == NULL)
		return 2;
	chantab_init(s.map);
	for (size_t i = 0; i < array_size(readers); i++)
		if (pthread_create(&readers[i], NULL, read_all, &s) != 0)
			return 2;
	for (; round < ROUNDS && !enough(&s); round++) {
		struct tuner_slot slot = slot_of(round);

		chantab_put_tuner(s.map, SLOT, &slot);
	}
	atomic_store(&s.stop, true);
	for (size_t i = 0; i < array_size(readers); i++)
		pthread_join(readers[i], NULL);
	ok = enough(&s) && (s.blind || atomic_load(&s.torn) == 0);
	printf("%u writes, %u good copies, %u refused, %u torn\n", round, atomic_load(&s.good),
	       atomic_load(&s.refused), atomic_load(&s.torn));
	free(s.map);
	return ok ? 0 : 1;
}
