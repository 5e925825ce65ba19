/* test_stderr_log.c - what a command writes to its standard error becomes lines and last words */
#include "amps-transcoder/command/stderr_log.h"

#include "unit.h"
#include <string.h>

#include "common/log/log.h"

static void expect_last(const struct stderr_log *l, const char *expected)
{
	char last[1024];

	stderr_log_last(l, last, sizeof(last));
	cr_expect_str_eq(last, expected);
}

static void put(struct stderr_log *l, const char *text)
{
	stderr_log_take(l, text, strlen(text), 1000000);
}

Test(stderr_log, keeps_the_last_lines)
{
	struct stderr_log l = {0};

	log_init("test", LOG_ERROR, false);
	expect_last(&l, "");
	put(&l, "one\ntwo\nthr");
	expect_last(&l, "one; two");
	put(&l, "ee\r\n\n  \nfour\nfive");
	expect_last(&l, "two; three; four");
	stderr_log_finish(&l);
	expect_last(&l, "three; four; five");
}

Test(stderr_log, a_progress_display_is_no_last_word)
{
	struct stderr_log l = {0};

	log_init("test", LOG_ERROR, false);
	put(&l, "frame=1\rframe=2\rframe=3\rfailed\n");
	expect_last(&l, "failed");
}

Test(stderr_log, hides_credentials)
{
	struct stderr_log l = {0};

	log_init("test", LOG_ERROR, false);
	put(&l, "'http://user:pass@host/x?token=5': not found\n");
	expect_last(&l, "'http://***@host/x?token=***': not found");
}

/* A line that was cut may end in half a URL, whose password would look like a path. */
Test(stderr_log, drops_the_end_of_a_line_that_is_too_long)
{
	static char text[2 * STDERR_LINE_MAX];
	struct stderr_log l = {0};

	log_init("test", LOG_ERROR, false);
	memset(text, 'x', sizeof(text));
	memcpy(text, "first ", 6);
	stderr_log_take(&l, text, sizeof(text), 1000000);
	put(&l, "\n");
	expect_last(&l, "first");
}

Test(stderr_log, reads_only_the_end_of_a_flood)
{
	static char text[STDERR_BYTES_A_SECOND + 8];
	struct stderr_log l = {0};
	unsigned kept;

	log_init("test", LOG_ERROR, false);
	memset(text, '\n', sizeof(text));
	for (size_t i = 0; i + 8 <= sizeof(text); i += 8)
		memcpy(text + i, "a line\n", 7);
	stderr_log_take(&l, text, sizeof(text), 5000000);
	kept = l.kept;
	cr_expect_leq(kept, STDERR_LINE_MAX / 8);
	cr_expect_gt(kept, 3);
	put(&l, "the end\n");
	expect_last(&l, "a line; a line; the end");
	/* a second later every line counts again */
	stderr_log_take(&l, text, 8000, 7000000);
	cr_expect_eq(l.kept, kept + 1 + 1000);
}
