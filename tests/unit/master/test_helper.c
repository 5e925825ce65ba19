#include "amps-master/system/helper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "unit.h"

/* What a helper came to. */
struct outcome {
	struct event_base *base;
	unsigned calls;
	int error;
	char reason[ERROR_TEXT_MAX];
	char output[256];
	unsigned timeout_ms;
	uint64_t took_us;
};

static void on_done(void *owner, struct helper_result *result)
{
	struct outcome *o = owner;
	ssize_t n = read(result->output_fd, o->output, sizeof(o->output) - 1);

	o->calls++;
	o->error = result->error;
	o->output[MAX(n, 0)] = '\0';
	snprintf(o->reason, sizeof(o->reason), "%s", result->reason);
	event_base_loopbreak(o->base);
}

/* Runs the loop for a moment longer than it needs: a second call would be seen. */
static void run_on(struct event_base *base, unsigned ms)
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
}

static struct outcome run(const char *script, struct helper_spec spec)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	struct outcome o = {.base = event_base_new()};
	uint64_t begin_us = clock_mono_us();
	struct helpers *hs;
	struct helper *h;

	spec.argv = argv;
	spec.timeout_ms = spec.timeout_ms ? spec.timeout_ms : 60000;
	o.timeout_ms = spec.timeout_ms;
	cr_assert_eq(helpers_new(o.base, &hs), 0);
	cr_assert_eq(helper_start(hs, &spec, on_done, &o, &h), 0);
	event_base_dispatch(o.base);
	o.took_us = clock_mono_us() - begin_us;
	run_on(o.base, 20);
	cr_expect_eq(o.calls, 1);
	helpers_free(hs);
	event_base_free(o.base);
	return o;
}

/* Runs a script that prints something and then takes too long.  A loaded machine may need longer
 * for the first line than a short time limit allows; the limit is doubled then. */
static struct outcome run_too_long(const char *script)
{
	struct helper_spec spec = {.timeout_ms = 100};
	struct outcome o = run(script, spec);

	while (!o.output[0] && spec.timeout_ms < 100000) {
		spec.timeout_ms *= 2;
		o = run(script, spec);
	}
	return o;
}

Test(helper, the_input_is_read_and_the_output_kept)
{
	struct outcome o = run("tr a-z A-Z; echo said >&2",
			       (struct helper_spec){.input = "hello", .input_bytes = 5});

	cr_expect_eq(o.error, 0);
	cr_expect_str_eq(o.output, "HELLO");
	cr_expect_str_eq(o.reason, "");
}

Test(helper, a_large_input_that_is_not_read_is_no_error)
{
	static const char zeros[4 << 20];
	struct outcome o = run("echo done",
			       (struct helper_spec){.input = zeros, .input_bytes = sizeof(zeros)});

	cr_expect_eq(o.error, 0);
	cr_expect_str_eq(o.output, "done\n");
}

Test(helper, the_last_line_of_stderr_is_the_reason)
{
	struct outcome o = run("echo first >&2; printf 'the \\033 reason\\n\\n' >&2; exit 3",
			       (struct helper_spec){0});

	cr_expect_eq(o.error, -EIO);
	cr_expect_str_eq(o.reason, "the ? reason");
}

Test(helper, an_exit_without_a_message_names_the_code)
{
	struct outcome o = run("exit 3", (struct helper_spec){0});

	cr_expect_eq(o.error, -EIO);
	cr_expect_str_eq(o.reason, "it failed with exit code 3");
}

Test(helper, a_signal_is_named)
{
	struct outcome o = run("kill -SEGV $$", (struct helper_spec){0});

	cr_expect_eq(o.error, -ECHILD);
	cr_expect_str_eq(o.reason, "it was ended by a signal: Segmentation fault");
}

Test(helper, one_that_takes_too_long_is_ended)
{
	struct outcome o = run_too_long("echo begun; exec sleep 1000");
	char reason[64];

	snprintf(reason, sizeof(reason), "it took longer than %u s", (o.timeout_ms + 999) / 1000);
	cr_expect_eq(o.error, -ETIMEDOUT);
	cr_expect_str_eq(o.reason, reason);
	cr_expect_str_eq(o.output, "begun\n");
}

Test(helper, one_that_ignores_sigterm_is_killed)
{
	struct outcome o = run_too_long("trap '' TERM; echo begun; while :; do sleep 1000; done");

	cr_expect_eq(o.error, -ETIMEDOUT);
	cr_expect_geq(o.took_us, HELPER_TERM_MS * 1000ull);
}

Test(helper, one_that_writes_too_much_is_ended)
{
	struct outcome out =
		run("exec cat /dev/zero", (struct helper_spec){.output_bytes = 100000});
	struct outcome err =
		run("exec cat /dev/zero >&2", (struct helper_spec){.output_bytes = 100000});

	cr_expect_eq(out.error, -EFBIG);
	cr_expect_str_eq(out.reason, "it wrote more than 100000 bytes");
	cr_expect_eq(err.error, -EFBIG);
}

Test(helper, a_quiet_one_may_write_for_ever)
{
	struct outcome o = run("yes for ever & yes for ever >&2",
			       (struct helper_spec){.quiet = true, .timeout_ms = 500});
	struct outcome last =
		run("yes for ever | head -n 100000 >&2; echo the last word >&2; exit 1",
		    (struct helper_spec){.quiet = true});

	cr_expect_eq(o.error, -ETIMEDOUT);
	cr_expect_str_eq(o.output, "");
	cr_expect_eq(last.error, -EIO);
	cr_expect_str_eq(last.reason, "the last word");
}

Test(helper, its_memory_is_limited)
{
	struct outcome o = run("exec dd if=/dev/zero of=/dev/null bs=512M count=1",
			       (struct helper_spec){.memory_mb = 100});

	cr_expect_eq(o.error, -EIO);
	cr_expect(strstr(o.reason, "memory") != NULL, "%s", o.reason);
}

Test(helper, it_has_no_rights)
{
	/* what is last runs in the shell's process, and a pipe would be one of its descriptors */
	struct outcome o = run("grep -E '^(Cap(Prm|Eff|Inh|Amb)|NoNewPrivs)' /proc/self/status |"
			       " cut -f 2 | sort -u; ls /proc/$$/fd; true",
			       (struct helper_spec){.unprivileged = true});

	cr_expect_eq(o.error, 0);
	cr_expect_str_eq(o.output, "0000000000000000\n1\n0\n1\n2\n", "%s", o.output);
}

Test(helper, it_gets_the_given_environment)
{
	static const char *const env[] = {"A=b", NULL};
	struct outcome o = run("exec env", (struct helper_spec){.env = env});

	cr_expect(strstr(o.output, "A=b\n") != NULL && strstr(o.output, "AMPS_BIN") == NULL, "%s",
		  o.output);
}

static bool is_gone(pid_t pid)
{
	char path[64], state = 'Z';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return true;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(f);
	return state == 'Z';
}

static void expect_gone(pid_t pid)
{
	cr_assert_gt(pid, 1);
	for (int i = 0; i < 2000 && !is_gone(pid); i++)
		usleep(10000);
	cr_expect(is_gone(pid));
}

/* The grandchild has its own copies of stdout and stderr. */
Test(helper, a_grandchild_ends_with_it)
{
	struct outcome o = run("sleep 1000 & echo $!", (struct helper_spec){0});

	cr_expect_eq(o.error, 0);
	expect_gone(atoi(o.output));
}

Test(helper, a_grandchild_ends_with_one_that_takes_too_long)
{
	struct outcome o = run_too_long("sleep 1000 & echo $!; wait");

	cr_expect_eq(o.error, -ETIMEDOUT);
	expect_gone(atoi(o.output));
}

Test(helper, one_that_leaves_the_group_blocks_nothing)
{
	struct outcome o = run("setsid sleep 1000 & echo $!; sleep 0.2", (struct helper_spec){0});

	cr_expect_eq(o.error, 0);
	kill(atoi(o.output), SIGKILL);
}

Test(helper, exec_errors_come_back)
{
	const char *const argv[] = {"/nonexistent/program", NULL};
	const struct helper_spec spec = {.argv = argv, .timeout_ms = 1000};
	struct helper_result result;

	helper_run(&spec, &result);
	cr_expect_eq(result.error, -ENOENT);
	cr_expect_str_eq(result.reason, "No such file or directory");
	cr_expect_eq(result.output_fd, -1);
}

Test(helper, a_cancelled_one_ends_without_a_call)
{
	const char *const argv[] = {"/bin/sh", "-c", "trap '' TERM; while :; do sleep 1000; done",
				    NULL};
	const struct helper_spec spec = {.argv = argv, .timeout_ms = 60000};
	struct outcome o = {.base = event_base_new()};
	struct helpers *hs;
	struct helper *h;

	cr_assert_eq(helpers_new(o.base, &hs), 0);
	cr_assert_eq(helper_start(hs, &spec, on_done, &o, &h), 0);
	cr_expect_null(helper_cancel(h));
	/* it is reaped when it has exited: the loop ends by itself, because nothing is left in it
	 */
	event_base_dispatch(o.base);
	cr_expect_eq(o.calls, 0);
	cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1);
	helpers_free(hs);
	event_base_free(o.base);
}

/* The master reaps any child that it finds; the call comes from there. */
Test(helper, the_first_to_reap_reports_it)
{
	const char *const argv[] = {"/bin/sh", "-c", "echo good", NULL};
	const struct helper_spec spec = {.argv = argv, .timeout_ms = 60000};
	struct outcome o = {.base = event_base_new()};
	struct helpers *hs;
	struct helper *h;
	siginfo_t child = {.si_pid = 0};

	cr_assert_eq(helpers_new(o.base, &hs), 0);
	cr_assert_eq(helper_start(hs, &spec, on_done, &o, &h), 0);
	cr_assert_eq(waitid(P_ALL, 0, &child, WEXITED | WNOWAIT), 0);
	cr_expect_not(helpers_reap(hs, child.si_pid + 1));
	cr_expect(helpers_reap(hs, child.si_pid));
	cr_expect_not(helpers_reap(hs, child.si_pid));
	cr_expect_str_eq(o.output, "good\n");
	run_on(o.base, 20);
	cr_expect_eq(o.calls, 1);
	helpers_free(hs);
	event_base_free(o.base);
}

Test(helper, those_that_run_end_with_the_set)
{
	const char *const argv[] = {"/bin/sleep", "1000", NULL};
	const struct helper_spec spec = {.argv = argv, .timeout_ms = 60000};
	struct outcome o = {.base = event_base_new()};
	struct helpers *hs;
	struct helper *h;
	int status;

	cr_assert_eq(helpers_new(o.base, &hs), 0);
	cr_assert_eq(helper_start(hs, &spec, on_done, &o, &h), 0);
	cr_assert_eq(helper_start(hs, &spec, on_done, &o, &h), 0);
	helpers_free(hs);
	for (int i = 0; i < 2; i++) {
		cr_assert_gt(waitpid(-1, &status, 0), 0);
		cr_expect_eq(WTERMSIG(status), SIGKILL);
	}
	cr_expect_eq(o.calls, 0);
	event_base_free(o.base);
}

/* A task of amps-helper: its description is the input, its last line the reason. */
Test(helper, a_task_of_amps_helper)
{
	char program[256];
	const char *const argv[] = {program, "fetch", NULL};
	static const char task[] = "{\"url\": \"http://127.0.0.1:1/a\", \"seconds\": 5}";
	const struct helper_spec spec = {.argv = argv,
					 .input = task,
					 .input_bytes = sizeof(task) - 1,
					 .timeout_ms = 20000,
					 .output_bytes = FETCH_BYTES_MAX};
	struct helper_result result;

	cr_assert(getenv("AMPS_BIN") != NULL);
	snprintf(program, sizeof(program), "%s/amps-helper", getenv("AMPS_BIN"));
	helper_run(&spec, &result);
	cr_expect_eq(result.error, -EIO);
	cr_expect_str_eq(result.reason, "no connection: Connection refused");
	close_fd(&result.output_fd);
}
