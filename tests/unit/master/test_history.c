/* test_history.c - what a tuner remembers of the last hour. */
#include "unit.h"

#include "amps-master/tuners/history.h"

#define MINUTE 60000000ull

Test(history, the_last_hour_of_each_source_is_summed)
{
	static struct history h;
	struct history_counts sum;
	unsigned worst;

	history_add(&h, MINUTE, 0, &(struct history_counts){.cc_errors = 7});
	history_add(&h, 30 * MINUTE, 0, &(struct history_counts){.cc_errors = 5, .packets = 100});
	history_add(&h, 30 * MINUTE + 1, 1, &(struct history_counts){.lost[LOST_SILENT] = 1});
	history_add(&h, 30 * MINUTE + 2, 0, &(struct history_counts){.cc_errors = 1});
	history_add(&h, 61 * MINUTE, 0,
		    &(struct history_counts){
			    .cc_errors = 3, .switches = 2, .pair = {[RING_PAIR_FILLED] = 4}});
	history_hour(&h, 61 * MINUTE, 0, &sum, &worst);
	cr_assert_eq(sum.cc_errors, 9, "the first minute is over");
	cr_assert_eq(sum.packets, 100);
	cr_assert_eq(sum.switches, 2);
	cr_assert_eq(sum.lost[LOST_SILENT], 0);
	cr_assert_eq(sum.pair[RING_PAIR_FILLED], 4);
	cr_assert_eq(worst, 31);
	history_hour(&h, 61 * MINUTE, 1, &sum, &worst);
	cr_assert_eq(sum.lost[LOST_SILENT], 1);
	cr_assert_eq(h.total.cc_errors, 16);
}

Test(history, many_changes_of_source_shorten_it)
{
	static struct history h;
	struct history_counts sum;
	unsigned worst;

	for (unsigned i = 0; i < 10 * HISTORY_ENTRIES; i++)
		history_add(&h, MINUTE * 5, i % 200, &(struct history_counts){.switches = 1});
	history_hour(&h, MINUTE * 5, (10 * HISTORY_ENTRIES - 1) % 200, &sum, &worst);
	cr_assert_eq(sum.switches, 1);
	cr_assert_eq(h.total.switches, 10 * HISTORY_ENTRIES);
}

Test(history, another_list_of_sources_begins_a_new_hour)
{
	static struct history h;
	struct history_counts sum;
	unsigned worst;

	history_add(&h, MINUTE, 0, &(struct history_counts){.switches = 1});
	history_add(&h, MINUTE, HISTORY_OTHER_JOBS, &(struct history_counts){.switches = 2});
	history_forget_hour(&h);
	for (unsigned i = 0; i < 2; i++) {
		history_hour(&h, MINUTE, i ? HISTORY_OTHER_JOBS : 0, &sum, &worst);
		cr_assert_eq(sum.switches, 0);
	}
	cr_assert_eq(h.total.switches, 3);
	history_add(&h, MINUTE, 0, &(struct history_counts){.switches = 1});
	history_hour(&h, MINUTE, 0, &sum, &worst);
	cr_assert_eq(sum.switches, 1);
}
