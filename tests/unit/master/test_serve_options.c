#include <getopt.h>
#include <string.h>
#include <sys/mman.h>
#include "amps-master/config/serve_options.h"
#include "unit.h"

static int parse(struct serve_options *o, const char *a, const char *b)
{
	char program[] = "amps-master";
	char *argv[] = {program, (char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL};

	optind = 0; /* getopt(3) starts over */
	return serve_options_parse(o, b ? 3 : 2, argv);
}

Test(serve_options, refuses_impossible_values)
{
	static const char *const pairs[][2] = {
		{"--port", "65536"}, {"--port", "80x"},	      {"--workers", "257"},
		{"--workers", "-1"}, {"--log-level", "loud"}, {"--host", ""},
		{"--bogus", "1"},    {"--config", ""},	      {"extra", "words"},
	};
	struct serve_options o;

	for (size_t i = 0; i < array_size(pairs); i++)
		cr_expect_eq(parse(&o, pairs[i][0], pairs[i][1]), -EINVAL, "%s %s", pairs[i][0],
			     pairs[i][1]);
}

Test(serve_options, the_command_line_overrides_the_file)
{
	char words[][24] = {"amps-master", "--port",	   "6000", "--workers",
			    "auto",	   "--media-root", "/m",   "--log-level",
			    "warn",	   "--host",	   "::"};
	char *argv[array_size(words) + 1] = {0};
	json_t *model = json_pack("{s:{s:i, s:i, s:s}, s:s}", "server", "port", 5000, "workers", 4,
				  "runtime_dir", "/r", "media_root", "/old");
	json_t *expected = json_pack("{s:{s:i, s:i, s:s, s:s, s:s}, s:s}", "server", "port", 6000,
				     "workers", 0, "runtime_dir", "/r", "log_level", "warning",
				     "host", "::", "media_root", "/m");
	struct serve_options o;

	for (size_t i = 0; i < array_size(words); i++)
		argv[i] = words[i];
	optind = 0;
	cr_assert_eq(serve_options_parse(&o, array_size(words), argv), 0);
	cr_assert_eq(serve_options_lay_over(&o, model), 0);
	cr_assert(json_equal(model, expected), "%s", json_dumps(model, JSON_COMPACT));
	json_decref(model);
	json_decref(expected);
}

Test(serve_options, a_loader_gets_the_same_options)
{
	const char *argv[SERVE_ARGV_MAX];
	struct serve_options o;

	cr_assert_eq(parse(&o, "--port", "7"), 0);
	o.value[SERVE_CONFIG] = "/etc/a.yaml";
	serve_options_loader_argv(&o, "/bin/amps-master", argv);
	cr_assert_str_eq(argv[0], "/bin/amps-master");
	cr_assert_str_eq(argv[1], "--load");
	cr_assert_str_eq(argv[2], "/etc/a.yaml");
	cr_assert_str_eq(argv[3], "--port");
	cr_assert_str_eq(argv[4], "7");
	cr_assert_null(argv[5]);
}
