#include "amps-master/config/check_command.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "amps-master/util/json.h"
#include "amps-master/config/model.h"
#include "amps-master/config/option_memory.h"

#define USAGE "usage: amps check [--config FILE] [--json] [--strict]\n"

struct check_options {
	const char *file;
	bool json, strict;
};

static int read_arguments(int argc, char **argv, struct check_options *options)
{
	static const struct option known[] = {{"check", no_argument, NULL, 'k'},
					      {"config", required_argument, NULL, 'c'},
					      {"json", no_argument, NULL, 'j'},
					      {"strict", no_argument, NULL, 's'},
					      {NULL, 0, NULL, 0}};
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "c:", known, NULL)) >= 0) {
		if (c == 'c')
			options->file = optarg;
		else if (c == 'j')
			options->json = true;
		else if (c == 's')
			options->strict = true;
		else if (c != 'k')
			return -EINVAL;
	}
	return optind == argc ? 0 : -EINVAL;
}

static void print_counts(const char *file, const json_t *model, unsigned warnings)
{
	printf("%s: good: %zu channels, %zu scheduled, %zu profiles", file,
	       json_array_size(json_object_get(model, "streams")),
	       json_array_size(json_object_get(model, "scheduled_streams")),
	       json_object_size(json_object_get(model, "profiles")));
	if (warnings > 0)
		printf(", %u warning%s", warnings, warnings == 1 ? "" : "s");
	putchar('\n');
}

int check_command(int argc, char **argv)
{
	struct check_options options = {.file = serve_options_default_file()};
	struct problems problems;
	json_auto_t *model = NULL;
	bool refused;

	if (read_arguments(argc, argv, &options) < 0) {
		fputs(USAGE, stderr);
		return 2;
	}
	if (problems_init(&problems) < 0)
		return 1;
	refused = model_load(options.file, NULL, &problems, &model) < 0 ||
		  (options.strict && problems.warnings > 0);
	if (options.json) {
		json_dumpf(problems.list, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		problems_print(&problems, stdout);
		if (!refused)
			print_counts(options.file, model, problems.warnings);
	}
	problems_done(&problems);
	return refused || fflush(stdout) != 0 ? 1 : 0;
}

/* Takes model, which may be NULL. */
static int write_result(int fd, const struct problems *problems, json_t *model,
			const struct option_memory *memory)
{
	_cleanup_(freep) char *options = model != NULL ? option_memory_text(memory) : NULL;
	json_auto_t *result =
		json_pack("{s:O, s:i, s:i, s:o*, s:s*}", "problems", problems->list, "errors",
			  (int)problems->errors, "warnings", (int)problems->warnings, "model",
			  model, "options", options);

	return result != NULL ? json_fd_save(fd, result) : -ENOMEM;
}

int load_command(const struct serve_options *o, int result_fd)
{
	const char *file = o->load != NULL ? o->load : serve_options_default_file();
	struct option_memory *memory = option_memory_new(o->value[SERVE_STATE_DIR]);
	struct problems problems;
	json_t *model = NULL;
	bool refused;

	if (memory == NULL || problems_init(&problems) < 0) {
		option_memory_free(memory);
		return 1;
	}
	refused = model_load(file, memory, &problems, &model) < 0;
	if (model != NULL && serve_options_lay_over(o, model) < 0)
		refused = true;
	if (write_result(result_fd, &problems, model, memory) < 0)
		refused = true;
	option_memory_free(memory);
	problems_done(&problems);
	return refused ? 1 : 0;
}
