/* chantab.h - the channel table (chantab_layout.h has the map): the master writes slots, workers
 * copy them out.  Nothing blocks, allocates or logs. */
#ifndef AMPS_CHANTAB_H
#define AMPS_CHANTAB_H

#include "common/base.h"
#include "common/shm/chantab_layout.h"

/* Master: writes the header of a freshly created object mapped at `map`. */
void chantab_init(void *map);

/* Master: publishes a slot; `slot->sequence` is ignored.  `index` < TUNERS_MAX / OUTPUTS_MAX. */
void chantab_put_tuner(void *map, size_t index, const struct tuner_slot *slot);
void chantab_put_output(void *map, size_t index, const struct output_slot *slot);

/* Master: publishes the next event.  One whose text is too long is left out.  `old_group`: of the
 * slot, may be NULL. */
void chantab_put_event(void *map, enum event_kind kind, uint32_t channel, const char *old_group,
		       const char *text);

/* Readers: 0 if magic, version and sizes are ours, else -EINVAL. */
must_check int chantab_check(const void *map);

/* Readers: a consistent copy.  0, -EAGAIN if the master kept writing (keep the old copy), -EINVAL
 * for an index outside the table. */
must_check int chantab_get_tuner(const void *map, size_t index, struct tuner_slot *ret);
must_check int chantab_get_output(const void *map, size_t index, struct output_slot *ret);

/* Readers: the number of the last event, 0 = none, and a copy of one.  0, -EAGAIN as above,
 * -ENOENT: it is not kept any more. */
uint64_t chantab_last_event(const void *map);
must_check int chantab_get_event(const void *map, uint64_t number, struct event_slot *ret);

const char *tuner_state_name(enum tuner_state state);

#endif
