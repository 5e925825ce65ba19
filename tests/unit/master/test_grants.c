#include "amps-master/children/grants.h"

#include "unit.h"
#include "common/shm/worker_page.h"

static uint64_t serial(unsigned worker, uint64_t n)
{
	return (uint64_t)worker << VIEWER_SERIAL_SHIFT | n;
}

Test(grants, a_token_gets_as_many_as_it_may_have)
{
	struct grants g;

	grants_init(&g);
	for (uint64_t i = 1; i <= 3; i++)
		cr_assert_eq(grants_ask(&g, serial(i % 2, i), 7, 3), 0);
	cr_expect_eq(grants_ask(&g, serial(0, 4), 7, 3), -EDQUOT);
	cr_expect_eq(grants_ask(&g, serial(0, 4), 8, 1), 0, "another token");
	cr_expect_eq(grants_ask(&g, serial(1, 9), 9, 0), -EDQUOT, "a token that is gone");
	cr_expect_eq(grants_ask(&g, serial(0, 2), 9, 5), -EEXIST, "it has one");
	grants_end(&g, serial(0, 2));
	grants_end(&g, serial(0, 2));
	cr_expect_eq(grants_ask(&g, serial(1, 5), 7, 3), 0, "a place is free");
	cr_expect_eq(grants_ask(&g, serial(1, 6), 7, 3), -EDQUOT);
	cr_expect_eq(g.count, 4);
	grants_done(&g);
}

Test(grants, those_of_a_dead_worker_are_free_again)
{
	struct grants g;

	grants_init(&g);
	for (uint64_t i = 1; i <= 2000; i++)
		cr_assert_eq(grants_ask(&g, serial(i % 2, i), 1 + i % 50, 40), 0);
	cr_expect_eq(grants_ask(&g, serial(0, 3000), 5, 40), -EDQUOT);
	grants_drop_worker(&g, 0);
	cr_expect_eq(g.count, 1000);
	cr_expect_eq(grants_ask(&g, serial(0, 3000), 5, 40), 0);
	grants_drop_worker(&g, 1);
	cr_expect_eq(g.count, 1);
	grants_done(&g);
}
