#include "amps-master/children/grants.h"

#include "unit.h"
#include "common/shm/worker_page.h"

static uint64_t serial(unsigned worker, uint64_t n)
{
	return (uint64_t)worker << VIEWER_SERIAL_SHIFT | n;
}

/* Asks and decides at once, with the tokens of this generation. */
static bool given(struct grants *g, uint64_t viewer, uint64_t token, struct grant_limit limit,
		  const void *page)
{
	struct grant_question next;

	cr_assert_eq(grants_ask(g, viewer, token), 0);
	cr_assert(grants_next(g, &next));
	cr_assert(next.serial == viewer && next.token == token);
	return grants_decide(g, limit, &page, 1);
}

static bool may_begin(struct grants *g, uint64_t viewer, uint64_t token, uint32_t most)
{
	return given(g, viewer, token, (struct grant_limit){most, 1}, NULL);
}

Test(grants, a_token_gets_as_many_as_it_may_have)
{
	struct grants g;

	grants_init(&g);
	for (uint64_t i = 1; i <= 3; i++)
		cr_assert(may_begin(&g, serial(i % 2, i), 7, 3));
	cr_expect_not(may_begin(&g, serial(0, 4), 7, 3));
	cr_expect(may_begin(&g, serial(0, 4), 8, 1), "another token");
	cr_expect_not(may_begin(&g, serial(1, 9), 9, 0), "a token that is gone");
	cr_expect_eq(grants_ask(&g, serial(0, 2), 9), -EEXIST, "it has one");
	grants_end(&g, serial(0, 2));
	grants_end(&g, serial(0, 2));
	cr_expect(may_begin(&g, serial(1, 5), 7, 3), "a place is free");
	cr_expect_not(may_begin(&g, serial(1, 6), 7, 3));
	cr_expect_eq(g.count, 4);
	grants_done(&g);
}

Test(grants, those_of_a_dead_worker_are_free_again)
{
	struct grants g;

	grants_init(&g);
	for (uint64_t i = 1; i <= 2000; i++)
		cr_assert(may_begin(&g, serial(i % 2, i), 1 + i % 50, 40));
	cr_expect_not(may_begin(&g, serial(0, 3000), 5, 40));
	grants_drop_worker(&g, 0);
	cr_expect_eq(g.count, 1000);
	cr_expect(may_begin(&g, serial(0, 3000), 5, 40));
	grants_drop_worker(&g, 1);
	cr_expect_eq(g.count, 1);
	grants_done(&g);
}

Test(grants, those_that_ask_wait_in_order_and_may_leave)
{
	struct grant_limit one = {1, 1};
	struct grant_question next;
	struct grants g;

	grants_init(&g);
	cr_expect_not(grants_next(&g, &next));
	for (uint64_t i = 1; i <= 4; i++)
		cr_assert_eq(grants_ask(&g, serial(i % 2, i), 7), 0);
	grants_end(&g, serial(1, 1));
	cr_assert(grants_next(&g, &next));
	cr_expect_eq(next.serial, serial(0, 2));
	cr_expect(grants_decide(&g, one, NULL, 0));
	grants_drop_worker(&g, 1);
	cr_assert(grants_next(&g, &next));
	cr_expect_eq(next.serial, serial(0, 4));
	cr_expect_not(grants_decide(&g, one, NULL, 0));
	cr_expect_not(grants_next(&g, &next));
	grants_done(&g);
}

Test(grants, the_place_of_one_that_yields_is_free_before_it_has_ended)
{
	struct grants g;

	grants_init(&g);
	cr_assert(may_begin(&g, serial(0, 1), 7, 1));
	grants_yield(&g, serial(0, 1));
	cr_expect(may_begin(&g, serial(1, 2), 7, 1));
	cr_expect_not(may_begin(&g, serial(1, 3), 7, 1));
	grants_end(&g, serial(0, 1));
	cr_expect_not(may_begin(&g, serial(1, 3), 7, 1), "it had given its place up");
	grants_done(&g);
}

/* A viewer of token 7 in that page; its token counts it if it does not wait. */
static void publish(void *page, size_t at, uint64_t id, bool waits)
{
	struct worker_page *header = page;
	struct viewer_record r = {.serial = id, .token = 7, .waits = waits};

	worker_page_put(page, at, &r);
	atomic_store(&header->records_used, 8);
	if (!waits)
		worker_page_add_token(page, 7, 1);
}

Test(grants, viewers_that_began_before_the_limit_count)
{
	struct grant_limit three = {3, 1};
	void *page = calloc(1, WORKER_PAGE_BYTES);
	struct viewer_record none = {0};
	struct grants g;

	grants_init(&g);
	publish(page, 0, serial(0, 1), false);
	publish(page, 1, serial(0, 2), false);
	publish(page, 2, serial(0, 3), true); /* those that ask now do not count themselves */
	publish(page, 3, serial(0, 4), true);
	cr_expect(given(&g, serial(0, 3), 7, three, page));
	cr_expect_not(given(&g, serial(0, 4), 7, three, page));
	/* counted by the worker, and still once */
	worker_page_put(page, 2, &none);
	publish(page, 2, serial(0, 3), false);
	cr_expect_not(given(&g, serial(0, 4), 7, three, page));
	worker_page_put(page, 0, &none);
	worker_page_add_token(page, 7, -1);
	cr_expect(given(&g, serial(0, 4), 7, three, page));
	/* with all of them gone, no page is read until the tokens change */
	worker_page_put(page, 1, &none);
	worker_page_add_token(page, 7, -1);
	cr_expect(given(&g, serial(0, 5), 7, three, page));
	publish(page, 0, serial(0, 6), false);
	grants_end(&g, serial(0, 5));
	cr_expect(given(&g, serial(0, 7), 7, three, page));
	grants_end(&g, serial(0, 7));
	cr_expect_not(given(&g, serial(0, 8), 7, (struct grant_limit){3, 2}, page));
	grants_done(&g);
	free(page);
}
