/* unit.c - runs the unit tests of one program, each in a fork of it.
 *
 * PROGRAM [--list] [--xml FILE] [PATTERN]
 *
 * PATTERN selects by the name, "suite::test", as a shell does.  FILE gets the results as JUnit does
 * it.  Exit code 0 if all passed, 1 if not, 2 if no test has such a name.
 */
#include "unit.h"

#include <fnmatch.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
int __lsan_do_recoverable_leak_check(void);
#else
static int __lsan_do_recoverable_leak_check(void)
{
	return 0;
}
#endif

enum outcome { NOT_ENDED, PASSED, FAILED, SKIPPED };

/* What a test's process tells the program, in memory that both have. */
struct report {
	enum outcome outcome;
	char text[2000]; /* of the first failure, or the skip */
};

static struct unit_test *first, **last = &first;
static struct report *report;
static jmp_buf end_of_test;
static pid_t test_pid;

void unit_add(struct unit_test *test)
{
	*last = test;
	last = &test->next;
}

bool unit_same(const char *a, const char *b)
{
	if (a != NULL && b != NULL && strcmp(a, b) == 0)
		return true;
	fprintf(stderr, "here:  \"%s\"\nthere: \"%s\"\n", a != NULL ? a : "(null)",
		b != NULL ? b : "(null)");
	return false;
}

bool unit_near(double a, double b, double by)
{
	if (a - b <= by && b - a <= by)
		return true;
	fprintf(stderr, "here: %g, there: %g\n", a, b);
	return false;
}

/* -- in the process of a test */

/* The first text stands. */
static void note(enum outcome outcome, const char *text)
{
	if (report->outcome == NOT_ENDED) {
		snprintf(report->text, sizeof(report->text), "%s", text);
		report->outcome = outcome;
	}
}

void unit_failed(const char *file, int line, const char *text, const char *format, ...)
{
	char message[1000], all[2000];
	va_list ap;

	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "%s:%d: %s:%s", file, line, text, message);
	fprintf(stderr, "%s\n", all);
	note(FAILED, all);
}

void unit_end(void)
{
	if (getpid() != test_pid || gettid() != test_pid)
		_exit(1);
	longjmp(end_of_test, 1);
}

void cr_skip_test(const char *reason)
{
	note(SKIPPED, reason);
	unit_end();
}

static _Noreturn void be_test(const struct unit_test *test, const struct unit_options *options)
{
	test_pid = getpid();
	if (setjmp(end_of_test) == 0) {
		if (options->init != NULL)
			options->init();
		test->body();
	}
	if (setjmp(end_of_test) == 0) {
		if (options->fini != NULL)
			options->fini();
	}
	if (report->outcome == NOT_ENDED && __lsan_do_recoverable_leak_check() != 0)
		note(FAILED, "memory has leaked: LeakSanitizer");
	note(PASSED, "");
	fflush(NULL);
	_exit(0);
}

/* -- in the program */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct unit_options options_of(const struct unit_test *test)
{
	struct unit_options options = test->options;

	for (const struct unit_test *t = first; t != NULL; t = t->next) {
		if (t->name != NULL || strcmp(t->suite, test->suite) != 0)
			continue;
		if (options.init == NULL)
			options.init = t->options.init;
		if (options.fini == NULL)
			options.fini = t->options.fini;
		if (options.signal == 0)
			options.signal = t->options.signal;
		if (options.timeout == 0)
			options.timeout = t->options.timeout;
	}
	if (options.timeout == 0)
		options.timeout = UNIT_TIMEOUT_S;
	return options;
}

/* The status that waitpid() gives; ends the process when its time is over. */
static int await(pid_t pid, unsigned timeout_s)
{
	struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	int status = 0;

	if (poll(&end, 1, (int)timeout_s * 1000) == 0) {
		kill(pid, SIGKILL);
		snprintf(report->text, sizeof(report->text), "took longer than %u s", timeout_s);
		report->outcome = FAILED;
	}
	close(end.fd);
	waitpid(pid, &status, 0);
	return status;
}

/* Judges by what the process has reported, and by how it has ended. */
static void judge(int status, int expected)
{
	int got = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	char text[200];

	if (report->outcome == FAILED || report->outcome == SKIPPED)
		return;
	if (got != expected && got != 0)
		snprintf(text, sizeof(text), "ended by SIG%s", sigabbrev_np(got));
	else if (got != expected)
		snprintf(text, sizeof(text), "did not end by SIG%s", sigabbrev_np(expected));
	else if (expected == 0 && (report->outcome != PASSED || WEXITSTATUS(status) != 0))
		snprintf(text, sizeof(text), "ended with exit code %d before its end",
			 WEXITSTATUS(status));
	else
		text[0] = '\0';
	report->outcome = NOT_ENDED;
	note(text[0] == '\0' ? PASSED : FAILED, text);
}

/* The result is in `report`. */
static void run(const struct unit_test *test)
{
	const struct unit_options options = options_of(test);
	pid_t pid;

	report->outcome = NOT_ENDED;
	report->text[0] = '\0';
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_test(test, &options);
	if (pid < 0) {
		note(FAILED, strerror(errno));
		return;
	}
	judge(await(pid, options.timeout), options.signal);
}

static void print_escaped(FILE *f, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("<>&\"", *text) != NULL)
			fprintf(f, "&#%d;", *text);
		else
			fputc(*text < ' ' ? ' ' : *text, f);
	}
}

static void print_case(FILE *f, const struct unit_test *test, uint64_t took_us)
{
	static const char *const tags[] = {[FAILED] = "failure", [SKIPPED] = "skipped"};

	fprintf(f, "<testcase name=\"%s::%s\" time=\"%.3f\">", test->suite, test->name,
		(double)took_us / 1e6);
	if (report->outcome != PASSED) {
		fprintf(f, "<%s message=\"", tags[report->outcome]);
		print_escaped(f, report->text);
		fprintf(f, "\"/>");
	}
	fprintf(f, "</testcase>\n");
}

static int run_all(const char *pattern, FILE *xml)
{
	unsigned count[] = {0, 0, 0, 0};
	uint64_t since;
	char name[200];

	fprintf(xml, "<testsuite>\n");
	for (const struct unit_test *t = first; t != NULL; t = t->next) {
		if (t->name == NULL)
			continue;
		snprintf(name, sizeof(name), "%s::%s", t->suite, t->name);
		if (fnmatch(pattern, name, 0) != 0)
			continue;
		since = now_us();
		run(t);
		count[report->outcome]++;
		print_case(xml, t, now_us() - since);
		if (report->outcome != PASSED)
			fprintf(stderr, "%s %s: %s\n",
				report->outcome == FAILED ? "FAILED" : "SKIPPED", name,
				report->text);
	}
	fprintf(xml, "</testsuite>\n");
	printf("%u passed, %u failed, %u skipped\n", count[PASSED], count[FAILED], count[SKIPPED]);
	if (count[PASSED] + count[FAILED] + count[SKIPPED] == 0)
		return 2;
	return count[FAILED] != 0;
}

static int list(void)
{
	for (const struct unit_test *t = first; t != NULL; t = t->next) {
		if (t->name != NULL)
			printf("%s::%s\n", t->suite, t->name);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *pattern = "*", *path = "/dev/null";
	FILE *xml;
	int code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--list") == 0)
			return list();
		if (strcmp(argv[i], "--xml") == 0 && i + 1 < argc)
			path = argv[++i];
		else
			pattern = argv[i];
	}
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	xml = fopen(path, "we");
	if (report == MAP_FAILED || xml == NULL) {
		perror(path);
		return 1;
	}
	code = run_all(pattern, xml);
	return fclose(xml) == 0 ? code : 1;
}
