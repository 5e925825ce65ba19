#include "amps-master/config/model.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "unit.h"

#include "amps-master/config/check_command.h"
#include "common/limits.h"

static void write_file(char path[64], const char *text)
{
	int fd;

	snprintf(path, 64, "/tmp/amps-model-XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* The messages without the one about an absent transcoder. */
static unsigned count(const struct problems *p, const char *severity)
{
	unsigned n = 0;
	size_t i;
	json_t *each;

	json_array_foreach (p->list, i, each) {
		const char *message = json_string_value(json_object_get(each, "message"));

		n += strcmp(json_string_value(json_object_get(each, "severity")), severity) == 0 &&
		     strstr(message, "option names were not checked") == NULL;
	}
	return n;
}

Test(model, the_older_configuration_passes)
{
	char path[512];
	struct problems problems;
	json_t *model = NULL;

	snprintf(path, sizeof(path), "%s/tests/fuzz/master/corpus/config/older.yaml",
		 getenv("AMPS_SOURCE") ? getenv("AMPS_SOURCE") : ".");
	cr_assert_eq(problems_init(&problems), 0);
	cr_assert_eq(model_load(path, NULL, &problems, &model), 0);
	cr_expect_eq(json_array_size(json_object_get(model, "streams")), 4);
	cr_expect_eq(json_object_size(json_object_get(model, "profiles")), 4);
	cr_expect_eq(count(&problems, "error"), 0);
	cr_expect_eq(count(&problems, "warning"), 2);
	json_decref(model);
	problems_done(&problems);
}

/* The warnings about a file with this text and mode. */
static unsigned warnings_of(const char *text, mode_t mode)
{
	struct problems problems;
	json_t *model = NULL;
	unsigned n;
	char path[64];

	write_file(path, text);
	cr_assert_eq(chmod(path, mode), 0);
	cr_assert_eq(problems_init(&problems), 0);
	cr_expect_eq(model_load(path, NULL, &problems, &model), 0);
	n = count(&problems, "warning");
	json_decref(model);
	problems_done(&problems);
	unlink(path);
	return n;
}

Test(model, a_file_with_tokens_that_every_user_can_read)
{
	setenv("AMPS_TEST_TOKEN", "from-the-environment", 1);
	cr_expect_eq(warnings_of("auth: {token: my-secret}\n", 0644), 1);
	cr_expect_eq(warnings_of("auth: {token: my-secret}\n", 0640), 0);
	cr_expect_eq(warnings_of("auth: {token: 12345}\n", 0604), 1);
	cr_expect_eq(warnings_of("auth: {admin_token: my-secret}\n", 0644), 1);
	cr_expect_eq(warnings_of("auth: {tokens: [{token: my-secret}]}\n", 0644), 1);
	cr_expect_eq(warnings_of("auth: {token: '${AMPS_TEST_TOKEN}'}\n", 0644), 0);
	cr_expect_eq(warnings_of("auth: {token_file: /run/token}\n", 0644), 0);
	cr_expect_eq(warnings_of("auth: {tokens: [{token_sha256: "
				 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
				 "}]}\n",
				 0644),
		     0);
}

Test(model, problems_come_in_file_order)
{
	struct problems problems;
	json_t *model = NULL, *each;
	json_int_t last = 0;
	char path[64];
	size_t i;

	write_file(path, "scheduled_streams:\n- {id: x}\nstreams:\n- {id: y}\nserver: {port: z}\n");
	cr_assert_eq(problems_init(&problems), 0);
	cr_expect_eq(model_load(path, NULL, &problems, &model), -EINVAL);
	cr_expect_null(model);
	cr_expect_eq(problems.errors, 9);
	json_array_foreach (problems.list, i, each) {
		json_int_t line = json_integer_value(json_object_get(each, "line"));

		cr_expect_geq(line, last);
		last = line;
	}
	cr_expect_eq(last, 5);
	problems_done(&problems);
	unlink(path);
}

Test(model, a_file_that_is_not_there)
{
	struct problems problems;
	struct buf text = BUF_INIT;
	json_t *model = NULL;

	cr_assert_eq(problems_init(&problems), 0);
	cr_expect_eq(model_load("/nonexistent/x.yaml", NULL, &problems, &model), -ENOENT);
	problems_format(&problems, &text);
	cr_expect_str_eq(text.data,
			 "/nonexistent/x.yaml: cannot be read: No such file or directory\n");
	buf_done(&text);
	problems_done(&problems);
}

Test(model, a_problem_is_one_line_and_their_number_is_bounded)
{
	struct problems problems;
	struct buf text = BUF_INIT;

	cr_assert_eq(problems_init(&problems), 0);
	problems_add(&problems, PROBLEM_ERROR, "f", 3, "a\nb", "it %s", "x\ny\x1b");
	problems_format(&problems, &text);
	cr_expect_str_eq(text.data, "f:3: a b: it x y \n");
	for (int i = 0; i < CONFIG_PROBLEMS_MAX + 1; i++)
		problems_add(&problems, PROBLEM_WARNING, "f", 4, "", "w");
	/* an error is never one of those that are only counted */
	problems_add(&problems, PROBLEM_ERROR, "f", 5, "", "e");
	cr_expect_eq(json_array_size(problems.list), CONFIG_PROBLEMS_MAX + 2);
	buf_reset(&text);
	problems_format(&problems, &text);
	cr_expect_str_eq(text.data + text.len - strlen("f:4: warning: w\nf:5: e\n... and 1 more\n"),
			 "f:4: warning: w\nf:5: e\n... and 1 more\n");
	buf_done(&text);
	problems_done(&problems);
}

Test(model, a_loader_writes_what_it_found)
{
	char path[64], out[64];
	struct serve_options o = {.value = {[SERVE_PORT] = "6000"}};
	json_t *result;

	o.load = path;
	write_file(path, "streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy}]\n");
	write_file(out, "");
	FILE *file = fopen(out, "w+");

	cr_expect_eq(load_command(&o, fileno(file)), 0);
	rewind(file);
	result = json_loadf(file, 0, NULL);
	cr_expect_eq(json_array_size(json_object_get(json_object_get(result, "model"), "streams")),
		     1);
	cr_expect_eq(json_integer_value(json_object_get(
			     json_object_get(json_object_get(result, "model"), "server"), "port")),
		     6000, "the command line stands over the file");
	cr_expect(json_is_array(json_object_get(result, "problems")));
	json_decref(result);
	fclose(file);
	unlink(path);
	write_file(path, "streams: 5\n");
	file = fopen(out, "w+");
	cr_expect_eq(load_command(&o, fileno(file)), 1);
	rewind(file);
	result = json_loadf(file, 0, NULL);
	cr_expect_null(json_object_get(result, "model"));
	cr_expect_eq(json_array_size(json_object_get(result, "problems")), 1);
	json_decref(result);
	fclose(file);
	unlink(path);
	unlink(out);
}
