/* runner.c - runs the tests of a program that were written with Criterion's headers.
 *
 *	PROGRAM [--list] [--filter PATTERN] [--xml FILE]
 *
 * Each test runs in a process of its own, which is forked.  Criterion's own runner starts the
 * program again for each test; with sanitizers, and with the many libraries of libav, that costs
 * much more than most tests.  PATTERN is that of fnmatch() for "suite/test". */
#include <criterion/criterion.h>
#include <fnmatch.h>
#include <getopt.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REASON_MAX 256

/* A linker makes these of the sections in which Criterion's macros put tests and suites. */
extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[], *__stop_cr_sts[];
#pragma weak __start_cr_sts
#pragma weak __stop_cr_sts

#ifdef __SANITIZE_ADDRESS__
int __lsan_do_recoverable_leak_check(void);
#endif

enum outcome { UNFINISHED, PASSED, FAILED, SKIPPED };

/* What a test's process reports; shared with it. */
struct report {
	enum outcome outcome;
	char reason[REASON_MAX]; /* of a skip */
};

struct criterion_options criterion_options;

static struct report *report;
static const struct criterion_test *running;
static jmp_buf after_test;

/* ---------- in a test's process: what Criterion's macros call ---------- */

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *t)
{
	static const struct criterion_test_extra_data none;

	for (struct criterion_suite **s = __start_cr_sts; s < __stop_cr_sts; s++)
		if (*s && strcmp((*s)->name, t->category) == 0)
			return (*s)->data;
	return &none;
}

void criterion_internal_test_setup(void)
{
	if (suite_of(running)->init)
		suite_of(running)->init();
	if (running->data->init)
		running->data->init();
}

void criterion_internal_test_main(void (*body)(void))
{
	if (setjmp(after_test) == 0)
		body();
}

void criterion_internal_test_teardown(void)
{
	if (running->data->fini)
		running->data->fini();
	if (suite_of(running)->fini)
		suite_of(running)->fini();
}

void criterion_send_assert(struct criterion_assert_stats *a)
{
	if (!a->passed)
		fprintf(stderr, "%s:%u: assertion failed: %s\n", a->file, a->line, a->message);
}

void cri_asserts_passed_incr(void)
{
}

void criterion_continue_test(void)
{
	report->outcome = FAILED;
}

void criterion_abort_test(void)
{
	report->outcome = FAILED;
	longjmp(after_test, 1);
}

void criterion_skip_test(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(report->reason, sizeof(report->reason), format, args);
	va_end(args);
	report->outcome = SKIPPED;
	longjmp(after_test, 1);
}

int cr_asprintf(char **text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(text, format, args);
	va_end(args);
	if (n < 0)
		abort();
	return n;
}

void cr_asprintf_free(char *text)
{
	free(text);
}

/* The sentence for an assertion that has none of its own; the first argument is its expression. */
char *cr_translate_assert_msg(int message, ...)
{
	static const char *const ends[] = {
		[CRITERION_ASSERT_MSG_FAIL] = "the test fails",
		[CRITERION_ASSERT_MSG_IS_NULL] = " is null",
		[CRITERION_ASSERT_MSG_IS_NOT_NULL] = " is not null",
		[CRITERION_ASSERT_MSG_IS_EMPTY] = " is empty",
		[CRITERION_ASSERT_MSG_IS_NOT_EMPTY] = " is not empty",
	};
	size_t known = sizeof(ends) / sizeof(*ends);
	const char *end = (size_t)message < known ? ends[message] : NULL;
	va_list args;
	char *text;

	va_start(args, message);
	cr_asprintf(&text, "%s%s", va_arg(args, const char *), end ? end : " is false");
	va_end(args);
	return text;
}

static void run_test(const struct criterion_test *t)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	running = t;
	t->test(); /* calls the functions above */
#ifdef __SANITIZE_ADDRESS__
	if (report->outcome == UNFINISHED && __lsan_do_recoverable_leak_check() != 0)
		report->outcome = FAILED;
#endif
	if (report->outcome == UNFINISHED)
		report->outcome = PASSED;
	fflush(NULL);
	_exit(0);
}

/* ---------- in the runner ---------- */

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Waits for the test's end; -1: it took too long and was killed. */
static int await_end(pid_t pid, double timeout_s)
{
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	bool late = timeout_s > 0 && poll(&p, 1, (int)(timeout_s * 1000)) == 0;
	int status;

	if (late)
		kill(pid, SIGKILL);
	close(p.fd);
	if (waitpid(pid, &status, 0) != pid)
		abort();
	return late ? -1 : status;
}

/* Prints why a test has not passed. */
static enum outcome judge(const struct criterion_test *t, int status)
{
	const struct criterion_test_extra_data *d = t->data;
	enum outcome outcome = report->outcome;

	if (d->signal && status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == d->signal)
		return PASSED;
	if (status == 0 && outcome != UNFINISHED && !(d->signal && outcome == PASSED)) {
		if (outcome == FAILED)
			printf("[FAIL] %s::%s\n", t->category, t->name);
		if (outcome == SKIPPED)
			printf("[SKIP] %s::%s: %s\n", t->category, t->name, report->reason);
		return outcome;
	}
	printf("[FAIL] %s::%s: ", t->category, t->name);
	if (status < 0)
		printf("it took longer than %.0f s\n", d->timeout);
	else if (WIFSIGNALED(status))
		printf("CRASH! Unexpected signal %d (%s)\n", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	else if (d->signal)
		printf("it should have been ended by signal %d\n", d->signal);
	else
		printf("its process ended with exit code %d\n", WEXITSTATUS(status));
	return FAILED;
}

static enum outcome run_in_process(const struct criterion_test *t)
{
	double timeout_s = t->data->timeout ? t->data->timeout : suite_of(t)->timeout;
	pid_t pid;

	*report = (struct report){UNFINISHED, ""};
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0)
		run_test(t);
	return judge(t, await_end(pid, timeout_s));
}

static int by_name(const void *a, const void *b)
{
	const struct criterion_test *const *x = a, *const *y = b;
	int r = strcmp((*x)->category, (*y)->category);

	return r ? r : strcmp((*x)->name, (*y)->name);
}

/* A suite is one element, as tests are sorted by suite. */
static void write_case(FILE *xml, const char **suite, const struct criterion_test *t,
		       enum outcome outcome, double seconds)
{
	static const char *const names[] = {
		[PASSED] = "PASSED", [FAILED] = "FAILED", [SKIPPED] = "SKIPPED"};

	if (!*suite || strcmp(*suite, t->category) != 0)
		fprintf(xml, "%s<testsuite name=\"%s\">\n", *suite ? "</testsuite>\n" : "",
			t->category);
	*suite = t->category;
	fprintf(xml, "<testcase name=\"%s\" status=\"%s\" time=\"%.3f\">%s%s%s</testcase>\n",
		t->name, names[outcome], seconds, outcome == SKIPPED ? "<skipped><![CDATA[" : "",
		outcome == SKIPPED ? report->reason : "",
		outcome == SKIPPED ? "]]></skipped>" : "");
	fflush(xml);
}

static int usage(const char *program)
{
	fprintf(stderr, "usage: %s [--list] [--filter PATTERN] [--xml FILE]\n", program);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"list", no_argument, NULL, 'l'},
						{"filter", required_argument, NULL, 'f'},
						{"xml", required_argument, NULL, 'x'},
						{0}};
	size_t count = (size_t)(__stop_cr_tst - __start_cr_tst), done[SKIPPED + 1] = {0};
	const char *pattern = "*", *suite = NULL;
	FILE *xml = NULL;
	bool list = false;
	char name[256];
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		list = list || option == 'l';
		if (option == 'f')
			pattern = optarg;
		else if (option == 'x')
			xml = fopen(optarg, "w");
		if (option == '?' || (option == 'x' && !xml))
			return usage(argv[0]);
	}
	if (optind < argc)
		return usage(argv[0]);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (report == MAP_FAILED)
		abort();
	qsort(__start_cr_tst, count, sizeof(*__start_cr_tst), by_name);
	if (xml)
		fputs("<testsuites>\n", xml);
	for (size_t i = 0; i < count; i++) {
		const struct criterion_test *t = __start_cr_tst[i];
		double begun_s = now_s();
		enum outcome outcome;

		snprintf(name, sizeof(name), "%s/%s", t->category, t->name);
		if (fnmatch(pattern, name, 0) != 0)
			continue;
		if (list) {
			puts(name);
			continue;
		}
		outcome = run_in_process(t);
		done[outcome]++;
		if (xml)
			write_case(xml, &suite, t, outcome, now_s() - begun_s);
	}
	if (xml)
		fprintf(xml, "%s</testsuites>\n", suite ? "</testsuite>\n" : "");
	if (xml && fclose(xml) != 0)
		return 1;
	if (!list)
		printf("%zu passed, %zu failed, %zu skipped\n", done[PASSED], done[FAILED],
		       done[SKIPPED]);
	return done[FAILED] ? 1 : 0;
}
