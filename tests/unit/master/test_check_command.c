/* `amps-master --check` as a program, with the transcoder's judgement of options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "unit.h"

#define FILE_NAME "amps-check-test.yaml"

struct outcome {
	char text[8192];
	int status;
};

/* Runs it in a folder of its own on a file with `yaml`. */
static struct outcome check(const char *yaml, const char *options)
{
	char folder[] = "/tmp/amps-check-XXXXXX", command[1024], path[128];
	struct outcome o = {.status = -1};
	size_t n;
	FILE *f;

	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/" FILE_NAME, folder);
	f = fopen(path, "w");
	fputs(yaml, f);
	fclose(f);
	snprintf(command, sizeof(command),
		 "cd %s && %s/amps-master --check --config " FILE_NAME " %s 2>&1", folder,
		 getenv("AMPS_BIN") ? getenv("AMPS_BIN") : "build/bin", options);
	f = popen(command, "r");
	n = fread(o.text, 1, sizeof(o.text) - 1, f);
	o.text[n] = '\0';
	o.status = WEXITSTATUS(pclose(f));
	unlink(path);
	rmdir(folder);
	return o;
}

Test(check_command, a_good_file_gets_a_line_of_counts)
{
	struct outcome o =
		check("streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy}]\n", "");

	cr_expect_eq(o.status, 0);
	cr_expect_str_eq(o.text, FILE_NAME ": good: 1 channels, 0 scheduled, 1 profiles\n");
}

Test(check_command, warnings_count_only_when_strict)
{
	cr_expect_eq(check("auth: {token: changeme123}\n", "").status, 0);
	cr_expect_eq(check("auth: {token: changeme123}\n", "--strict").status, 1);
	cr_expect_eq(check("", "--strict").status, 0);
}

Test(check_command, strict_never_calls_a_refused_file_good)
{
	cr_expect_null(strstr(check("auth: {token: changeme123}\n", "--strict").text, "good"));
	cr_expect_not_null(strstr(check("auth: {token: changeme123}\n", "").text, "good"));
}

Test(check_command, wrong_usage)
{
	cr_expect_eq(check("", "--bogus").status, 2);
	cr_expect_eq(check("", "more").status, 2);
}

Test(check_command, json_is_an_array)
{
	struct outcome o = check("streams: 5\n", "--json");

	cr_expect_eq(o.status, 1);
	cr_expect(strncmp(o.text, "[", 1) == 0, "%s", o.text);
	cr_expect_not_null(strstr(o.text, "\"path\": \"streams\""));
	cr_expect_str_eq(check("", "--json").text, "[]\n");
}

/* One list in three places is judged once and reported at each. */
Test(check_command, option_names_are_judged_by_libav)
{
	struct outcome o = check("ffmpeg_profiles:\n"
				 "  low:\n"
				 "    vcodec: libx264\n"
				 "    presset: fast\n"
				 "streams:\n"
				 "- {id: 1, name: A, source: 'http://a/x', ffmpeg_profile: low,\n"
				 "   input_options: &o {\n"
				 "   user_agnt: x}}\n"
				 "- {id: 2, name: B, source: 'http://b/y', ffmpeg_profile: low,\n"
				 "   input_options: {user_agnt: x}}\n"
				 "- {id: 3, name: B, source: 'http://c/z', ffmpeg_profile: low,\n"
				 "   input_options: *o}\n"
				 "- {id: 4, name: D, source: x, ffmpeg_profile: low,\n"
				 "   input_args: [-re, -strem_loop, '-1']}\n",
				 "");

	cr_expect_eq(o.status, 1);
	cr_expect_str_eq(o.text,
			 FILE_NAME ":4: ffmpeg_profiles.low.presset: unknown option 'presset' "
				   "(did you mean 'preset'?)\n" FILE_NAME
				   ":8: streams[0].input_options.user_agnt: unknown option "
				   "'user_agnt' (did you mean 'user_agent'?)\n" FILE_NAME
				   ":8: streams[2].input_options.user_agnt: unknown option "
				   "'user_agnt' (did you mean 'user_agent'?)\n" FILE_NAME
				   ":10: streams[1].input_options.user_agnt: unknown option "
				   "'user_agnt' (did you mean 'user_agent'?)\n" FILE_NAME
				   ":14: streams[3].input_args.strem_loop: unknown option "
				   "'strem_loop' (did you mean 'stream_loop'?)\n");
}
