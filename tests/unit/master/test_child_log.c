/* Lines that hostile children pass on. */
#include "amps-master/util/child_log.h"

#include <stdio.h>
#include "common/clock.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "unit.h"

static struct {
	char text[LOG_LINE_MAX]; /* the newest line */
	unsigned count;
} kept;

static bool see(void *owner, const struct log_line *line)
{
	(void)owner;
	if (kept.count++ == 0)
		snprintf(kept.text, sizeof(kept.text), "%s", line->text);
	return true;
}

/* The lines that are kept; the newest is in kept.text. */
static unsigned look(void)
{
	kept.count = 0;
	kept.text[0] = '\0';
	log_each_kept(see, NULL);
	return kept.count;
}

static void begin(bool json)
{
	log_init("master", LOG_INFO, json);
	cr_assert_eq(log_keep(LOG_KEPT), 0);
}

static int take(struct child_log *c, const char *tail)
{
	return child_log_take(
		c, "job[5]", 77,
		&(struct msg_log_line){
			.wall_us = clock_wall_us(), .level = LOG_INFO, .pid = 1, .tail = tail});
}

Test(child_log, the_master_names_the_process)
{
	struct child_log c = {0};
	struct msg_log_line m = {.level = LOG_ERROR, .pid = 9, .tail = "is here"};

	begin(false);
	cr_expect_eq(take(&c, "2026-01-01T00:00:00.000Z error   master[1] forged"), 0);
	cr_expect_eq(look(), 1);
	cr_expect_not_null(strstr(kept.text, "Z info    job[5][77] 2026-01-01T"), "%s", kept.text);
	/* the keeper of a command is known by its job's word only */
	m.wall_us = INT64_MAX;
	cr_expect_eq(child_log_take(&c, "command[5]", 0, &m), 0);
	cr_expect_eq(look(), 2);
	cr_expect_not_null(strstr(kept.text, "Z error   command[5][9] is here"), "%s", kept.text);
	cr_expect_eq(kept.text[0], '2', "the time is the master's: %s", kept.text);
	log_done();
}

Test(child_log, a_level_that_does_not_exist_is_malformed)
{
	struct child_log c = {0};

	begin(false);
	cr_expect_eq(
		child_log_take(&c, "worker", 7, &(struct msg_log_line){.level = 4, .tail = ""}),
		-EBADMSG);
	log_done();
}

Test(child_log, what_is_not_of_the_form_is_left_out)
{
	static const char *const texts[] = {"two\nlines",
					    "\x1b[2J",
					    "\xff",
					    "\xc3",
					    "a\x7f",
					    "\xc2\x9b"
					    "2J",
					    "a\xe2\x80\xae"
					    "b"};
	static char longer[2 * LOG_LINE_MAX];
	struct child_log c = {0};

	begin(false);
	for (size_t i = 0; i < array_size(texts); i++)
		cr_expect_eq(take(&c, texts[i]), 0);
	memset(longer, 'x', sizeof(longer) - 1);
	cr_expect_eq(take(&c, longer), 0);
	cr_expect_eq(look(), 0);
	cr_expect_eq(c.lines, array_size(texts) + 1);
	log_done();
}

Test(child_log, a_json_line_has_one_head)
{
	static const char good[] = "\"message\":\"a\",\"fields\":{\"channel\":\"5\"}}";
	static const char *const texts[] = {
		"\"message\":\"a\",\"fields\":{},\"program\":\"master\"}",
		"\"message\":\"a\",\"fields\":{},\"message\":\"b\"}",
		"\"message\":\"a\",\"fields\":{}}{}",
		"\"message\":\"a\",\"fields\":{}",
		"\"message\":\"a\",\"fields\":1}",
		"\"message\":\"a\"}",
		"plain",
		"",
	};
	struct child_log c = {0};

	begin(true);
	for (size_t i = 0; i < array_size(texts); i++)
		cr_expect_eq(take(&c, texts[i]), 0);
	cr_expect_eq(look(), 0, "%s", kept.text);
	cr_expect_eq(take(&c, good), 0);
	cr_expect_eq(look(), 1);
	cr_expect(strstr(kept.text, "\"program\":\"job[5]\",\"pid\":77,\"message\":\"a\""), "%s",
		  kept.text);
	log_done();
}

Test(child_log, a_flood_takes_its_share_only)
{
	struct child_log flood = {0}, other = {0};

	begin(false);
	for (int i = 0; i < 100000; i++)
		cr_assert_eq(take(&flood, "x"), 0);
	/* and one that says so */
	cr_expect_eq(look(), LOG_COPIES + 1);
	cr_expect_not_null(strstr(kept.text, "a process logs too much"), "%s", kept.text);
	cr_expect_eq(take(&other, "y"), 0);
	cr_expect_eq(look(), LOG_COPIES + 2);
	flood.window_us -= LOG_WINDOW_US;
	cr_expect_eq(take(&flood, "z"), 0);
	cr_expect_eq(look(), LOG_COPIES + 3);
	cr_expect_eq(flood.lines, 1);
	log_done();
}

Test(child_log, lines_below_the_level_are_left_out)
{
	struct child_log c = {0};

	begin(false);
	cr_expect_eq(child_log_take(&c, "job[5]", 77,
				    &(struct msg_log_line){.wall_us = clock_wall_us(),
							   .level = LOG_DEBUG,
							   .tail = "detail"}),
		     0);
	cr_expect_eq(look(), 0);
	log_done();
}
