#include "amps-master/config/check_command.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "amps-master/config/model.h"
#include "amps-master/config/option_memory.h"
#include "amps-master/config/settings.h"
#include "amps-master/lineup/yt_dlp.h"
#include "amps-master/store/db.h"
#include "amps-master/system/helper.h"
#include "amps-master/util/json.h"
#include "common/programs.h"

#define USAGE "usage: amps check [--config FILE] [--json] [--strict] [--database] [--state-dir D]\n"

#define YT_DLP		"yt-dlp"
#define YT_DLP_PATH	"yt_dlp_path"
#define YT_DLP_DAYS_MAX 180 /* sites change, and an older one often fails */
#define YT_DLP_UPDATE	"update it with 'yt-dlp -U', 'pipx install yt-dlp' or a newer package"
#define VERSION_MAX	64
#define DAY_S		86400

struct check_options {
	const char *file;
	const char *state_dir; /* of the database; NULL = that of the file */
	bool json, strict, database;
};

static int read_arguments(int argc, char **argv, struct check_options *options)
{
	static const struct option known[] = {{"check", no_argument, NULL, 'k'},
					      {"config", required_argument, NULL, 'c'},
					      {"json", no_argument, NULL, 'j'},
					      {"database", no_argument, NULL, 'd'},
					      {"state-dir", required_argument, NULL, 'D'},
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
		else if (c == 'd')
			options->database = true;
		else if (c == 'D')
			options->state_dir = optarg;
		else if (c != 'k')
			return -EINVAL;
	}
	return optind == argc ? 0 : -EINVAL;
}

static bool any_wanted(const json_t *entries)
{
	size_t i;
	json_t *entry;

	json_array_foreach (entries, i, entry)
		if (yt_dlp_wanted(entry) || any_wanted(json_object_get(entry, "sources")) ||
		    any_wanted(json_object_get(entry, "adaptive_bitrates")))
			return true;
	return false;
}

/* The first line that the program prints as its version.  0, or -Exxx and why there is none. */
static int read_version(const char *program, char version[VERSION_MAX], char *reason, size_t cap)
{
	const char *const argv[] = {program, "--version", NULL};
	const struct helper_spec spec = {.argv = argv,
					 .timeout_ms = LOOKUP_MS,
					 .output_bytes = LOOKUP_BYTES_MAX,
					 .unprivileged = true};
	struct helper_result result;
	ssize_t n = 0;

	helper_run(&spec, &result);
	if (result.error == 0)
		n = read(result.output_fd, version, VERSION_MAX - 1);
	close_fd(&result.output_fd);
	version[MAX(n, 0)] = '\0';
	version[strcspn(version, "\r\n")] = '\0';
	snprintf(reason, cap, "%s", result.reason);
	return result.error;
}

/* Age in days of a version that is a date (2023.03.04); -1 = it is not a date. */
static long age_days(const char *version)
{
	struct tm date = {0};

	if (sscanf(version, "%4d.%2d.%2d", &date.tm_year, &date.tm_mon, &date.tm_mday) != 3)
		return -1;
	date.tm_year -= 1900;
	date.tm_mon--;
	return (long)((time(NULL) - timegm(&date)) / DAY_S);
}

static void check_yt_dlp(const char *file, const json_t *model, struct problems *problems)
{
	char scratch[32], program[PATH_MAX], version[VERSION_MAX], reason[ERROR_TEXT_MAX];
	const char *name = json_read_text(model, YT_DLP_PATH, scratch);

	if (!any_wanted(json_object_get(model, "streams")) &&
	    !any_wanted(json_object_get(model, "scheduled_streams")))
		return;
	if (name == NULL)
		name = YT_DLP;
	if (programs_on_path(name, program, sizeof(program)) < 0)
		problems_add(problems, PROBLEM_WARNING, file, 0, YT_DLP_PATH,
			     "the program %s was not found; channels that need it answer 502",
			     name);
	else if (read_version(program, version, reason, sizeof(reason)) < 0)
		problems_add(problems, PROBLEM_WARNING, file, 0, YT_DLP_PATH, "%s does not run: %s",
			     program, reason);
	else if (age_days(version) > YT_DLP_DAYS_MAX)
		problems_add(problems, PROBLEM_WARNING, file, 0, YT_DLP_PATH,
			     "%s is %ld days old (%s), and sites change: " YT_DLP_UPDATE, program,
			     age_days(version), version);
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

/* Says how good the database of this state folder is. */
static bool judge_database(const struct check_options *options, const json_t *model)
{
	json_auto_t *given = options->state_dir != NULL
				     ? json_pack("{ss}", "state_dir", options->state_dir)
				     : NULL;
	char folder[PATH_MAX], text[ERROR_TEXT_MAX] = "";
	int r = settings_state_dir(given != NULL ? given : json_object_get(model, "server"),
				   folder);

	if (r < 0) {
		fprintf(stderr, "the state folder is not known: %s\n", strerror(-r));
		return false;
	}
	r = db_judge(folder, text, sizeof(text));
	puts(text);
	return r == 0;
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
	refused = model_load(options.file, NULL, &problems, &model) < 0;
	check_yt_dlp(options.file, model, &problems);
	refused = refused || (options.strict && problems.warnings > 0);
	if (options.json) {
		json_dumpf(problems.list, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		problems_print(&problems, stdout);
		if (!refused)
			print_counts(options.file, model, problems.warnings);
	}
	if (options.database && !judge_database(&options, model))
		refused = true;
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
