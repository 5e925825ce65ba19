#include "unit.h"
#include <stdio.h>

#include "amps-transcoder/options/key_rule.h"

#define PICTURE_90K 3600

/* The numbers of the first pictures that begin a group, of 25 a second, as "0 50 100 ". */
static const char *keys_of(const char *rule, int64_t begin_90k, int count, int source_gop,
			   enum key_frames keys)
{
	static char text[512];
	struct key_rule k;
	size_t len = 0;

	text[0] = '\0';
	cr_assert_eq(key_rule_init(&k, rule, 180000), 0, "%s", rule);
	for (int i = 0; i < count; i++)
		if (key_rule_next(&k, begin_90k + (int64_t)i * PICTURE_90K,
				  source_gop && i % source_gop == 0, keys))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%d ", i);
	key_rule_done(&k);
	return text;
}

Test(key_rule, the_grid_is_that_of_the_timeline)
{
	cr_expect_str_eq(keys_of(NULL, 900000, 120, 0, KEYS_RULE), "0 50 100 ");
	cr_expect_str_eq(keys_of(NULL, 900000 + 10 * PICTURE_90K, 120, 0, KEYS_RULE), "0 40 90 ");
	cr_expect_str_eq(
		keys_of("expr:gte(t,n_forced*1)", 900000 + 10 * PICTURE_90K, 60, 0, KEYS_RULE),
		"0 15 40 ");
}

Test(key_rule, expressions_and_times_count_from_the_first_picture)
{
	cr_expect_str_eq(keys_of("expr:gte(t,prev_forced_t+0.6)", 900000, 50, 0, KEYS_RULE), "0 ");
	cr_expect_str_eq(keys_of("expr:isnan(prev_forced_t)+gte(t,prev_forced_t+0.6)", 900000, 50,
				 0, KEYS_RULE),
			 "0 15 30 45 ");
	cr_expect_str_eq(keys_of("expr:not(mod(n,20))", 900000, 50, 0, KEYS_RULE), "0 20 40 ");
	cr_expect_str_eq(keys_of("0.8,0.4,00:00:01.2", 900000, 50, 0, KEYS_RULE), "0 10 20 30 ");
}

Test(key_rule, the_source_may_decide)
{
	cr_expect_str_eq(keys_of("source", 900000, 50, 12, KEYS_RULE), "0 12 24 36 48 ");
	cr_expect_str_eq(keys_of(NULL, 900000, 50, 12, KEYS_SOURCE), "0 12 24 36 48 ");
	cr_expect_str_eq(keys_of("expr:not(mod(n,20))", 900000, 50, 12, KEYS_SOURCE),
			 "0 12 24 36 48 ");
}

Test(key_rule, the_grid_counts_from_the_last_key_frame_of_the_source)
{
	cr_expect_str_eq(keys_of(NULL, 900000 + 10 * PICTURE_90K, 120, 60, KEYS_BOTH),
			 "0 50 60 110 ");
	cr_expect_str_eq(keys_of("expr:not(mod(n,20))", 900000, 50, 12, KEYS_BOTH),
			 "0 12 20 24 36 40 48 ");
}

Test(key_rule, other_texts_are_no_rule)
{
	static const char *const texts[] = {
		"", "expr:", "expr:gte(t,", "expr:foo", "chapters", "source1", "1,,2", "1,x", "1,"};
	struct key_rule k;

	for (size_t i = 0; i < array_size(texts); i++)
		cr_expect_eq(key_rule_init(&k, texts[i], 1), -EINVAL, "%s", texts[i]);
}
