#include <criterion/criterion.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>
#include "amps-master/util/pool.h"
#include "leaks.h"

Test(pool, objects_stay_whole_across_blocks)
{
	struct pool p = POOL_INIT;
	unsigned char *things[5000];

	for (size_t i = 0; i < array_size(things); i++) {
		size_t n = 1 + i % 300;

		things[i] = pool_take(&p, n);
		cr_assert_not_null(things[i]);
		cr_assert_eq((uintptr_t)things[i] % alignof(max_align_t), 0);
		for (size_t at = 0; at < n; at++)
			cr_assert_eq(things[i][at], 0);
		memset(things[i], (int)(i % 251) + 1, n);
	}
	for (size_t i = 0; i < array_size(things); i++)
		for (size_t at = 0; at < 1 + i % 300; at++)
			cr_assert_eq(things[i][at], i % 251 + 1);
	pool_done(&p);
	cr_assert_null(p.blocks);
}

Test(pool, takes_more_than_a_block)
{
	struct pool p = POOL_INIT;
	char *large = pool_take(&p, 1 << 20), *small = pool_take(&p, 10);

	memset(large, 'x', 1 << 20);
	cr_assert_eq(*small, 0);
	pool_done(&p);
}

Test(pool, the_same_text_in_a_row_is_one)
{
	struct pool p = POOL_INIT;
	const char *a = pool_text(&p, "copy"), *b = pool_text(&p, "copy"), *c;

	cr_assert_eq(a, b);
	c = pool_text(&p, "");
	cr_assert_str_eq(c, "");
	cr_assert_str_eq(a, "copy");
	pool_done(&p);
}

Test(pool, a_block_is_filled_to_its_end)
{
	struct pool p = POOL_INIT;
	const struct pool_block *first;

	cr_assert_not_null(pool_take(&p, 1));
	first = p.blocks;
	cr_assert_not_null(pool_take(&p, p.size - p.used));
	cr_assert_eq(p.blocks, first);
	cr_assert_eq(p.used, p.size);
	cr_assert_not_null(pool_take(&p, 1));
	cr_assert_neq(p.blocks, first);
	pool_done(&p);
}
