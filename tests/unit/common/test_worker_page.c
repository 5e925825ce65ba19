#include "common/worker_page.h"

#include <criterion/criterion.h>
#include <string.h>
#include "leaks.h"

Test(worker_page, a_new_page_is_ours)
{
	struct worker_page *page = calloc(1, WORKER_PAGE_BYTES);

	cr_assert_eq(worker_page_check(page), -EINVAL);
	worker_page_init(page);
	cr_assert_eq(worker_page_check(page), 0);
	page->record_bytes++;
	cr_assert_eq(worker_page_check(page), -EINVAL);
	page->record_bytes--;
	page->version++;
	cr_assert_eq(worker_page_check(page), -EINVAL);
	free(page);
	assert_no_leaks();
}

Test(worker_page, records)
{
	void *map = calloc(1, WORKER_PAGE_BYTES);
	struct viewer_record *records = worker_page_records(map), got = {.channel = 99};

	worker_page_init(map);
	cr_assert_eq(worker_page_get(map, 0, &got), -ENOENT);
	cr_assert_eq(worker_page_get(map, WORKER_VIEWERS_MAX, &got), -ENOENT);
	cr_assert_eq(got.channel, 99);
	records[WORKER_VIEWERS_MAX - 1].channel = 5;
	strcpy(records[WORKER_VIEWERS_MAX - 1].user_agent, "VLC/3.0.18 LibVLC/3.0.18");
	atomic_store(&records[WORKER_VIEWERS_MAX - 1].bytes, 123456789012ull);
	atomic_store(&records[WORKER_VIEWERS_MAX - 1].serial, 1ull << 40 | 7);
	cr_assert_eq(worker_page_get(map, WORKER_VIEWERS_MAX - 1, &got), 0);
	cr_assert_eq(got.channel, 5);
	cr_assert_eq(atomic_load(&got.bytes), 123456789012ull);
	cr_assert_eq(atomic_load(&got.serial), 1ull << 40 | 7);
	cr_assert_str_eq(got.user_agent, "VLC/3.0.18 LibVLC/3.0.18");
	atomic_store(&records[WORKER_VIEWERS_MAX - 1].serial, 0);
	cr_assert_eq(worker_page_get(map, WORKER_VIEWERS_MAX - 1, &got), -ENOENT);
	free(map);
	assert_no_leaks();
}

Test(worker_page, viewers_of_a_token_are_counted)
{
	void *map = calloc(1, WORKER_PAGE_BYTES);
	struct viewer_record *records = worker_page_records(map);
	struct worker_page *page = map;
	uint64_t a = worker_page_token("one", 3), b = worker_page_token("two", 3);

	worker_page_init(map);
	cr_assert_neq(a, b);
	cr_assert_neq(worker_page_token("", 0), 0);
	for (size_t i = 0; i < 4; i++) {
		atomic_store(&records[i].token, i == 1 ? b : a);
		atomic_store(&records[i].serial, i + 1);
	}
	atomic_store(&page->records_used, 3);
	cr_assert_eq(worker_page_count_token(map, a), 2);
	cr_assert_eq(worker_page_count_token(map, b), 1);
	atomic_store(&records[0].serial, 0);
	cr_assert_eq(worker_page_count_token(map, a), 1);
	/* what a page says of itself is not believed */
	atomic_store(&page->records_used, UINT32_MAX);
	cr_assert_eq(worker_page_count_token(map, a), 2);
	free(map);
	assert_no_leaks();
}
