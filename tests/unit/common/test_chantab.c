#include "common/shm/chantab.h"

#include <stdio.h>
#include <string.h>
#include "unit.h"

static void *table_new(void)
{
	void *map = calloc(1, CHANTAB_BYTES);

	cr_assert_not_null(map);
	chantab_init(map);
	return map;
}

Test(chantab, a_new_table_is_ours_and_empty)
{
	void *map = table_new();
	struct tuner_slot tuner;
	struct output_slot output;

	cr_assert_eq(chantab_check(map), 0);
	cr_assert_eq(chantab_get_tuner(map, 0, &tuner), 0);
	cr_assert_eq(tuner.state, TUNER_IDLE);
	cr_assert_eq(chantab_get_output(map, OUTPUTS_MAX - 1, &output), 0);
	cr_assert_eq(output.generation, 0);
	free(map);
}

Test(chantab, another_layout_is_refused)
{
	void *map = table_new();
	struct chantab_header *h = map, good = *h;

	h->version++;
	cr_assert_eq(chantab_check(map), -EINVAL);
	memcpy(h, &good, sizeof(good));
	h->magic = 0;
	cr_assert_eq(chantab_check(map), -EINVAL);
	memcpy(h, &good, sizeof(good));
	h->tuner_count--;
	cr_assert_eq(chantab_check(map), -EINVAL);
	memcpy(h, &good, sizeof(good));
	h->output_bytes++;
	cr_assert_eq(chantab_check(map), -EINVAL);
	memcpy(h, &good, sizeof(good));
	cr_assert_eq(chantab_check(map), 0);
	free(map);
}

Test(chantab, slots_keep_what_was_put)
{
	void *map = table_new();
	struct tuner_slot tuner = {.state = TUNER_RUNNING, .channel = 5, .pid = 77, .key = "5/sd"};
	struct output_slot output = {.state = TUNER_STARTING, .tuner = 9, .generation = 1ull << 40};
	struct tuner_slot got;
	struct output_slot got_output;

	strcpy(tuner.last_error, "the source closed the connection");
	strcpy(output.variant, "hd");
	chantab_put_tuner(map, TUNERS_MAX - 1, &tuner);
	chantab_put_output(map, 3, &output);
	cr_assert_eq(chantab_get_tuner(map, TUNERS_MAX - 1, &got), 0);
	cr_assert_eq(got.state, TUNER_RUNNING);
	cr_assert_eq(got.channel, 5);
	cr_assert_eq(got.pid, 77);
	cr_assert_str_eq(got.key, "5/sd");
	cr_assert_str_eq(got.last_error, "the source closed the connection");
	cr_assert_eq(chantab_get_output(map, 3, &got_output), 0);
	cr_assert_eq(got_output.tuner, 9);
	cr_assert_eq(got_output.generation, 1ull << 40);
	cr_assert_str_eq(got_output.variant, "hd");
	cr_assert_eq(chantab_get_output(map, 2, &got_output), 0);
	cr_assert_eq(got_output.tuner, 0);
	free(map);
}

Test(chantab, an_index_outside_is_refused)
{
	void *map = table_new();
	struct tuner_slot tuner;
	struct output_slot output;

	cr_assert_eq(chantab_get_tuner(map, TUNERS_MAX, &tuner), -EINVAL);
	cr_assert_eq(chantab_get_output(map, OUTPUTS_MAX, &output), -EINVAL);
	free(map);
}

Test(chantab, a_slot_that_is_being_written_is_not_read)
{
	void *map = table_new();
	struct tuner_slot tuner = {.channel = 1}, got = {.channel = 42};
	struct tuner_slot *first = (void *)((char *)map + CHANTAB_TUNERS_OFFSET);

	chantab_put_tuner(map, 0, &tuner);
	atomic_fetch_add(&first->sequence, 1);
	cr_assert_eq(chantab_get_tuner(map, 0, &got), -EAGAIN);
	cr_assert_eq(got.channel, 42);
	atomic_fetch_add(&first->sequence, 1);
	cr_assert_eq(chantab_get_tuner(map, 0, &got), 0);
	cr_assert_eq(got.channel, 1);
	free(map);
}

Test(chantab, every_state_has_a_name)
{
	cr_assert_str_eq(tuner_state_name(TUNER_IDLE), "idle");
	cr_assert_str_eq(tuner_state_name(TUNER_FAILED), "failed");
	for (int i = 0; i < TUNER_STATE_COUNT_; i++)
		cr_assert_str_neq(tuner_state_name((enum tuner_state)i), "?");
	cr_assert_str_eq(tuner_state_name(TUNER_STATE_COUNT_), "?");
}

Test(chantab, the_last_events_are_kept)
{
	void *map = table_new();
	char text[32], long_text[EVENT_TEXT_MAX + 1];
	struct event_slot event;
	uint64_t first, last;

	cr_assert_eq(chantab_last_event(map), 0);
	chantab_put_event(map, EVENT_CHANNEL, 5, "News", "0");
	first = chantab_last_event(map);
	cr_assert_eq(chantab_get_event(map, first, &event), 0);
	cr_assert_str_eq(event.old_group, "News");
	cr_assert_gt(first, 0);
	for (unsigned i = 1; i <= EVENTS_KEPT; i++) {
		snprintf(text, sizeof(text), "%u", i);
		chantab_put_event(map, EVENT_TUNER, i, NULL, text);
	}
	/* one that does not fit has no number */
	memset(long_text, 'x', sizeof(long_text));
	long_text[EVENT_TEXT_MAX] = '\0';
	chantab_put_event(map, EVENT_TUNER, 1, NULL, long_text);
	last = chantab_last_event(map);
	cr_assert_eq(last, first + EVENTS_KEPT);
	cr_assert_eq(chantab_get_event(map, first, &event), -ENOENT);
	cr_assert_eq(chantab_get_event(map, last + 1, &event), -ENOENT);
	for (uint64_t n = first + 1; n <= last; n++) {
		cr_assert_eq(chantab_get_event(map, n, &event), 0);
		cr_assert_eq(event.kind, EVENT_TUNER);
		cr_assert_eq(event.channel, n - first);
		cr_assert_eq(strtoull(event.text, NULL, 10), n - first);
	}
	free(map);
}
