#include <signal.h>
#include <locale.h>
#include <string.h>
#include "amps-cli/term/table.h"
#include "unit.h"

static const struct table_column COLUMNS[] = {
	{.title = "ID", .right = true},
	{.title = "NAME", .least = 6},
	{.title = "STATE", .state = true},
	{.title = "SOURCE", .least = 8, .drop = 1},
};

static void utf8(void)
{
	cr_assert_not_null(setlocale(LC_CTYPE, "C.UTF-8"));
}
TestSuite(table, .init = utf8);

static struct table *sample(void)
{
	static const char *const rows[][4] = {
		{"5", "News", "running", "http://example.com/news.ts"},
		{"1200", "Weather and more", "failed", NULL},
	};
	struct table *t = table_new(COLUMNS, array_size(COLUMNS));

	cr_assert_not_null(t);
	for (size_t i = 0; i < array_size(rows); i++)
		cr_assert_eq(table_add(t, rows[i]), 0);
	return t;
}

static void expect_text(const struct table *t, unsigned width, bool color, const char *expected)
{
	struct buf out = BUF_INIT;

	table_format(t, width, color, &out);
	cr_assert_str_eq(out.data, expected);
	buf_done(&out);
}

Test(table, unlimited_aligns_and_leaves_no_spaces_at_the_end)
{
	struct table *t = sample();

	expect_text(t, 0, false,
		    "  ID  NAME              STATE    SOURCE\n"
		    "   5  News              running  http://example.com/news.ts\n"
		    "1200  Weather and more  failed   -\n");
	table_free(t);
}

Test(table, shortens_the_widest_first)
{
	struct table *t = sample();

	expect_text(t, 45, false,
		    "  ID  NAME            STATE    SOURCE\n"
		    "   5  News            running  http://exampl…\n"
		    "1200  Weather and m…  failed   -\n");
	table_free(t);
}

Test(table, drops_columns_that_may_go)
{
	struct table *t = sample();

	expect_text(t, 24, false,
		    "  ID  NAME       STATE\n"
		    "   5  News       running\n"
		    "1200  Weather …  failed\n");
	expect_text(t, 21, false,
		    "  ID  NAME    STATE\n"
		    "   5  News    running\n"
		    "1200  Weath…  failed\n");
	table_free(t);
}

Test(table, never_wider_than_asked_while_columns_can_shrink)
{
	struct table *t = sample();

	for (unsigned width = 21; width < 90; width++) {
		struct buf out = BUF_INIT;
		char *line, *rest;

		table_format(t, width, false, &out);
		rest = out.data;
		while ((line = strsep(&rest, "\n")) != NULL)
			cr_assert_leq(table_text_width(line), width);
		buf_done(&out);
	}
	table_free(t);
}

Test(table, colors_states_and_titles)
{
	static const struct table_column column = {.title = "STATE", .state = true};
	static const char *const rows[] = {"running", "failed", "starting", "idle"};
	struct table *t = table_new(&column, 1);

	for (size_t i = 0; i < array_size(rows); i++)
		cr_assert_eq(table_add(t, &rows[i]), 0);
	expect_text(t, 0, true,
		    "\033[1mSTATE\033[0m\n\033[32mrunning\033[0m\n\033[31mfailed\033[0m\n"
		    "\033[33mstarting\033[0m\n\033[2midle\033[0m\n");
	table_free(t);
}

Test(table, untrusted_text_cannot_control_the_terminal)
{
	struct buf out = BUF_INIT;

	table_text_fit("a\033[31mb\nc\x9b\xff", 40, &out);
	cr_assert_str_eq(out.data, "a?[31mb?c??");
	buf_done(&out);
}

Test(table, wide_characters_count_two_columns)
{
	struct buf out = BUF_INIT;

	cr_assert_eq(table_text_width("日本"), 4);
	cr_assert_eq(table_text_width("é"), 1);
	table_text_fit("日本語", 4, &out);
	/* one column stays over behind the second half of a wide character */
	cr_assert_str_eq(out.data, "日… ");
	buf_done(&out);
}

Test(table, a_table_without_rows_is_its_titles)
{
	struct table *t = table_new(COLUMNS, array_size(COLUMNS));

	expect_text(t, 0, false, "ID  NAME  STATE  SOURCE\n");
	table_free(t);
}

Test(table, more_columns_than_it_can_hold_abort, .signal = SIGABRT)
{
	table_new(COLUMNS, TABLE_COLUMNS_MAX + 1);
}

Test(table, grows_with_its_rows)
{
	struct table *t = table_new(COLUMNS, 1);
	struct buf out = BUF_INIT;
	size_t lines = 0;

	for (int i = 0; i < 1000; i++)
		cr_assert_eq(table_add(t, (const char *const[]){"x"}), 0);
	table_format(t, 0, false, &out);
	for (size_t i = 0; i < out.len; i++)
		lines += out.data[i] == '\n';
	cr_assert_eq(lines, 1001);
	buf_done(&out);
	table_free(t);
}
