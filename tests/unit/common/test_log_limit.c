#include "common/log/log_limit.h"

#include <stdio.h>
#include <string.h>
#include "unit.h"

#define START_US 1000000u

static const char site_a[] = "a", site_b[] = "b";

static bool pass(struct log_limit *l, const char *site, uint64_t channel, const char *text,
		 uint64_t now_us)
{
	const struct log_event e = {.site = site,
				    .channel = channel,
				    .allowed = LOG_LINES,
				    .message = text,
				    .fields = ""};

	return log_limit_pass(l, &e, now_us);
}

static unsigned passes(struct log_limit *l, const char *site, uint64_t channel, unsigned n,
		       uint64_t now_us)
{
	unsigned passed = 0;
	char text[16];

	for (unsigned i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "line %u", i);
		passed += pass(l, site, channel, text, now_us);
	}
	return passed;
}

Test(log_limit, a_flapping_channel_is_limited_alone)
{
	struct log_limit *l = calloc(1, sizeof(*l));
	struct log_held held;

	cr_expect_eq(passes(l, site_a, 5, 47, START_US), LOG_LINES);
	cr_expect_eq(passes(l, site_a, 6, 3, START_US), 3);
	cr_expect_eq(passes(l, site_b, 5, 3, START_US), 3);
	cr_expect_not(log_limit_due(l, START_US + LOG_WINDOW_US - 1, false, &held));
	cr_assert(log_limit_due(l, START_US + LOG_WINDOW_US, false, &held));
	/* the newest line, and how many there were beside it */
	cr_expect_str_eq(held.message, "line 46");
	cr_expect_eq(held.more, 47 - LOG_LINES - 1);
	free(held.message);
	cr_expect_not(log_limit_due(l, START_US + LOG_WINDOW_US, false, &held));
	/* a new window; the line just told is its first */
	cr_expect_eq(passes(l, site_a, 5, 47, START_US + LOG_WINDOW_US), LOG_LINES - 1);
	cr_assert(log_limit_due(l, 0, true, &held));
	free(held.message);
	free(l);
}

Test(log_limit, a_calm_channel_always_passes)
{
	struct log_limit *l = calloc(1, sizeof(*l));

	for (unsigned i = 0; i < 100; i++)
		cr_expect(
			pass(l, site_a, 5, "x", START_US + i * (LOG_WINDOW_US / LOG_LINES + 1ull)));
	free(l);
}

Test(log_limit, a_full_table_lets_lines_pass)
{
	struct log_limit *l = calloc(1, sizeof(*l));

	for (uint64_t channel = 1; channel < 4 * LOG_SLOTS; channel++)
		cr_assert(pass(l, site_a, channel, "x", START_US));
	/* and is usable again when its windows are over */
	cr_expect_eq(passes(l, site_b, 1, 47, START_US + 2 * LOG_WINDOW_US), LOG_LINES);
	struct log_held held;
	while (log_limit_due(l, 0, true, &held))
		free(held.message);
	free(l);
}

Test(log_limit, each_window_ends_on_its_own)
{
	struct log_limit *l = calloc(1, sizeof(*l));
	struct log_held held;

	passes(l, site_a, 1, 20, START_US);
	passes(l, site_a, 2, 20, START_US + LOG_WINDOW_US / 2);
	cr_assert(log_limit_due(l, START_US + LOG_WINDOW_US, false, &held));
	free(held.message);
	cr_expect_not(log_limit_due(l, START_US + LOG_WINDOW_US, false, &held));
	cr_assert(log_limit_due(l, START_US + LOG_WINDOW_US * 3 / 2, false, &held));
	free(held.message);
	free(l);
}
