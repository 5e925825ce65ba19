#include "amps-master/config/list_command.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/config/serve_options.h"
#include "amps-master/lineup/lineup.h"
#include "amps-master/config/model.h"

/* NULL: wrong usage. */
static const char *read_arguments(int argc, char **argv)
{
	static const struct option known[] = {{"list", no_argument, NULL, 'l'},
					      {"schedule", no_argument, NULL, 'l'},
					      {"config", required_argument, NULL, 'c'},
					      {NULL, 0, NULL, 0}};
	const char *file = serve_options_default_file();
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "c:", known, NULL)) >= 0) {
		if (c == 'c')
			file = optarg;
		else if (c != 'l')
			return NULL;
	}
	return optind == argc ? file : NULL;
}

static int compare_ids(const void *a, const void *b)
{
	const struct channel_entry *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* Makes one entry for each channel of `list`; returns how many. */
static size_t entries_fill(struct channel_entry *entries, json_t *list)
{
	json_t *definition;
	size_t i;

	json_array_foreach (list, i, definition) {
		entries[i].id = (uint32_t)json_integer_value(json_object_get(definition, "id"));
		entries[i].definition = definition;
	}
	return json_array_size(list);
}

static int print_json(const json_t *list)
{
	return json_dumpf(list, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF ||
			       fflush(stdout) != 0
		       ? -EIO
		       : 0;
}

static int print_channels(json_t *model)
{
	json_t *streams = json_object_get(model, "streams");
	json_t *scheduled = json_object_get(model, "scheduled_streams");
	size_t count = json_array_size(streams) + json_array_size(scheduled);
	_cleanup_(freep) struct channel_entry *entries = calloc(count + 1, sizeof(*entries));
	_cleanup_(freep) const struct channel_entry **order = calloc(count + 1, sizeof(*order));
	struct lineup *lineup = NULL;
	json_auto_t *list = NULL;
	int r;

	if (entries == NULL || order == NULL)
		return -ENOMEM;
	entries_fill(entries + entries_fill(entries, streams), scheduled);
	for (size_t i = 0; i < count; i++)
		order[i] = &entries[i];
	qsort(order, count, sizeof(*order), compare_ids);
	r = channel_profiles_complete(model);
	if (r == 0)
		r = lineup_build(model, order, count, &lineup);
	if (r == 0) {
		list = lineup_channels(lineup);
		r = print_json(list);
	}
	lineup_unref(lineup);
	return r;
}

static int print_schedule(json_t *model)
{
	json_t *scheduled = json_object_get(model, "scheduled_streams");
	size_t count = json_array_size(scheduled);
	_cleanup_(freep) struct channel_entry *entries = calloc(count + 1, sizeof(*entries));
	json_auto_t *list = json_array();
	int r = entries == NULL || list == NULL ? -ENOMEM : 0;

	if (r == 0)
		entries_fill(entries, scheduled);
	for (size_t i = 0; i < count && r == 0; i++) {
		const json_t *d = entries[i].definition;
		struct schedule_window w;

		if (schedule_parse(d, &w) == 0)
			r = lineup_schedule_add(list, entries[i].id,
						json_string_value(json_object_get(d, "name")), &w,
						clock_wall_us());
	}
	if (r == 0)
		r = print_json(list);
	return r;
}

int list_command(int argc, char **argv)
{
	const char *file = read_arguments(argc, argv);
	struct problems problems;
	json_auto_t *model = NULL;
	int r;

	if (file == NULL) {
		fputs("usage: amps-master --list|--schedule [--config FILE]\n", stderr);
		return 2;
	}
	if (problems_init(&problems) < 0)
		return 1;
	r = model_load(file, NULL, &problems, &model);
	if (r < 0)
		problems_print(&problems, stderr);
	else
		r = strcmp(argv[1], "--schedule") == 0 ? print_schedule(model)
						       : print_channels(model);
	problems_done(&problems);
	return r < 0;
}
