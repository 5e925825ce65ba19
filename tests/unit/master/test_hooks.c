#include "amps-master/hooks/hooks.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "unit.h"

struct world {
	struct event_base *base;
	struct helpers *helpers;
	struct chantab_header *table;
	struct hooks *hooks;
	char folder[64], out[96];
};

static void open_world(struct world *w)
{
	*w = (struct world){.base = event_base_new(), .folder = "/tmp/amps-hooks-XXXXXX"};
	w->table = calloc(1, sizeof(*w->table));
	cr_assert_not_null(mkdtemp(w->folder));
	snprintf(w->out, sizeof(w->out), "%s/out", w->folder);
	cr_assert_eq(helpers_new(w->base, &w->helpers), 0);
	cr_assert_eq(hooks_new(&(struct hooks_env){w->base, w->helpers, w->table}, &w->hooks), 0);
}

static void close_world(struct world *w)
{
	hooks_free(w->hooks);
	helpers_free(w->helpers);
	event_base_free(w->base);
	free(w->table);
	unlink(w->out);
	rmdir(w->folder);
}

/* The same receiver for each of these kinds; NULL takes it away. */
static void receive(struct world *w, const char *kinds, const char *target)
{
	static const char *const names[] = {"channel_started", "channel_failed",
					    "channel_recovered", "viewer_started", "viewer_ended"};
	json_t *hooks = json_object();
	struct publication p = {.settings = json_pack("{s:o}", "hooks", hooks)};

	for (size_t i = 0; i < array_size(names); i++)
		json_object_set_new(hooks, names[i],
				    target && strstr(kinds, names[i]) ? json_string(target)
								      : json_null());
	hooks_follow(w->hooks, &p);
	json_decref(p.settings);
}

static void put(struct world *w, int id)
{
	if (hooks_wants(w->hooks, HOOK_VIEWER_STARTED))
		hooks_put(w->hooks, HOOK_VIEWER_STARTED, json_pack("{s:i}", "id", id));
}

static void run_until(struct world *w, const _Atomic uint64_t *counter, uint64_t n)
{
	const struct timeval tick = {0, 10000};
	uint64_t end = clock_mono_us() + 60000000;

	while (*counter < n) {
		cr_assert_lt(clock_mono_us(), end, "%s", "the counter");
		event_base_loopexit(w->base, &tick);
		event_base_dispatch(w->base);
	}
}

/* The events that the command has written, one a line. */
static json_t *read_events(const struct world *w)
{
	json_t *list = json_array(), *event;
	FILE *f = fopen(w->out, "re");

	while (f && (event = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL)))
		json_array_append_new(list, event);
	if (f)
		fclose(f);
	return list;
}

static const char *text(const json_t *list, size_t i, const char *key)
{
	const char *value = json_string_value(json_object_get(json_array_get(list, i), key));

	return value ? value : "";
}

Test(hooks, a_command_gets_each_event_once_and_in_order)
{
	char command[160];
	struct world w;
	json_t *list;

	open_world(&w);
	snprintf(command, sizeof(command), "sh -c 'cat >>\"$0\"; echo said' %s", w.out);
	put(&w, 1); /* without a receiver nothing is kept */
	receive(&w, "viewer_started", command);
	for (int i = 1; i <= 5; i++)
		put(&w, i);
	run_until(&w, &w.table->hooks_sent, 5);
	list = read_events(&w);
	cr_assert_eq(json_array_size(list), 5);
	for (size_t i = 0; i < 5; i++) {
		const json_t *e = json_array_get(list, i);

		cr_expect_eq(json_integer_value(json_object_get(e, "id")), (json_int_t)i + 1);
		cr_expect_eq(json_integer_value(json_object_get(e, "number")), (json_int_t)i + 1);
		cr_expect_str_eq(text(list, i, "event"), "viewer_started");
		cr_expect_eq(strlen(text(list, i, "time")), 20, "%s", text(list, i, "time"));
	}
	cr_expect_eq(w.table->hooks_failed + w.table->hooks_dropped, 0);
	json_decref(list);
	close_world(&w);
}

Test(hooks, an_event_is_tried_three_times_and_the_next_one_follows)
{
	char command[160];
	struct world w;
	json_t *list;

	open_world(&w);
	/* the first event fails each time; what was tried is written down */
	snprintf(command, sizeof(command),
		 "sh -c 'tee -a \"$0\" | grep -q \"id\\\": 2\\|id\\\":2\"' %s", w.out);
	receive(&w, "viewer_started", command);
	put(&w, 1);
	put(&w, 2);
	run_until(&w, &w.table->hooks_sent, 1);
	cr_expect_eq(w.table->hooks_failed, 1);
	list = read_events(&w);
	cr_assert_eq(json_array_size(list), HOOK_TRIES + 1);
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(list, 2), "id")), 1);
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(list, 3), "id")), 2);
	json_decref(list);
	close_world(&w);
}

Test(hooks, a_receiver_that_stands_still_costs_a_bounded_queue)
{
	enum { EVENTS = 100000 };
	struct mallinfo2 before, after;
	uint64_t begin_us, longest_us = 0;
	struct world w;

	open_world(&w);
	receive(&w, "viewer_started", "sleep 60");
	for (int i = 0; i < HOOK_EVENTS_MAX; i++)
		put(&w, i);
	cr_expect_eq(w.table->hooks_dropped, 0);
	before = mallinfo2();
	for (int i = HOOK_EVENTS_MAX; i < EVENTS; i++) {
		begin_us = clock_mono_us();
		put(&w, i);
		longest_us = MAX(longest_us, clock_mono_us() - begin_us);
		if (i % 1000 == 0)
			event_base_loop(w.base, EVLOOP_NONBLOCK);
	}
	after = mallinfo2();
	cr_expect_eq(w.table->hooks_dropped, EVENTS - HOOK_EVENTS_MAX);
	cr_expect_eq(w.table->hooks_sent, 0);
	cr_expect_leq(after.uordblks, before.uordblks + 4096);
	cr_expect_lt(longest_us, 1000000);
	close_world(&w);
}

Test(hooks, the_receiver_of_one_kind_delays_no_other)
{
	struct publication p;
	char command[160];
	struct world w;
	json_t *list;

	open_world(&w);
	snprintf(command, sizeof(command), "sh -c 'cat >>\"$0\"' %s", w.out);
	p = (struct publication){.settings = json_pack("{s:{s:s, s:s}}", "hooks", "viewer_started",
						       "sleep 60", "channel_failed", command)};
	hooks_follow(w.hooks, &p);
	json_decref(p.settings);
	put(&w, 1);
	hooks_put_channel(w.hooks, HOOK_CHANNEL_FAILED, 5, "5", TUNER_FAILED, "no route to host");
	run_until(&w, &w.table->hooks_sent, 1);
	list = read_events(&w);
	cr_assert_eq(json_array_size(list), 1);
	cr_expect_str_eq(text(list, 0, "error"), "no route to host");
	json_decref(list);
	close_world(&w);
}

Test(hooks, the_starts_of_processes_are_apart)
{
	uint64_t begin_us;
	struct world w;

	open_world(&w);
	receive(&w, "viewer_started", "true");
	begin_us = clock_mono_us();
	for (int i = 1; i <= 5; i++)
		put(&w, i);
	run_until(&w, &w.table->hooks_sent, 5);
	cr_expect_geq(clock_mono_us() - begin_us, 4 * HOOK_APART_MS * 1000);
	close_world(&w);
}

Test(hooks, what_waits_goes_to_a_new_receiver_and_nowhere_without_one)
{
	char command[160];
	struct world w;
	json_t *list;

	open_world(&w);
	receive(&w, "viewer_started", "sleep 60");
	put(&w, 1);
	put(&w, 2);
	receive(&w, "", NULL);
	cr_expect_eq(w.table->hooks_dropped, 2, "what has waited for it is counted");
	put(&w, 3);
	receive(&w, "viewer_started", "sleep 60");
	put(&w, 4);
	snprintf(command, sizeof(command), "sh -c 'cat >>\"$0\"' %s", w.out);
	receive(&w, "viewer_started", command);
	run_until(&w, &w.table->hooks_sent, 1);
	list = read_events(&w);
	cr_assert_eq(json_array_size(list), 1);
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(list, 0), "id")), 4);
	json_decref(list);
	close_world(&w);
}
