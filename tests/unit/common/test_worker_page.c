#include "common/shm/worker_page.h"

#include <string.h>
#include "unit.h"

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
}

Test(worker_page, records)
{
	void *map = calloc(1, WORKER_PAGE_BYTES);
	struct viewer_record *records = worker_page_records(map), got = {.channel = 99};

	worker_page_init(map);
	/* the counts lie behind the records */
	worker_page_add_output(map, 0, 1);
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
}

Test(worker_page, a_record_is_published_whole_and_freed)
{
	void *map = calloc(1, WORKER_PAGE_BYTES);
	struct viewer_record record = {.serial = 7, .channel = 5, .port = 80, .token = 9}, got;

	worker_page_init(map);
	worker_page_put(map, 3, &record);
	cr_assert_eq(worker_page_get(map, 3, &got), 0);
	cr_assert_eq(memcmp(&got, &record, sizeof(got)), 0);
	record.serial = 0;
	worker_page_put(map, 3, &record);
	cr_assert_eq(worker_page_get(map, 3, &got), -ENOENT);
	free(map);
}

Test(worker_page, viewers_of_a_token_are_counted)
{
	void *map = calloc(1, WORKER_PAGE_BYTES);
	uint64_t a = worker_page_token("one", 3), b = worker_page_token("two", 3);
	/* shares a's first place */
	uint64_t beside = a + WORKER_VIEWERS_MAX;

	worker_page_init(map);
	cr_assert_neq(a, b);
	cr_assert_neq(worker_page_token("", 0), 0);
	cr_assert_eq(worker_page_token_viewers(map, a), 0);
	worker_page_add_token(map, a, 1);
	worker_page_add_token(map, b, 1);
	worker_page_add_token(map, beside, 1);
	worker_page_add_token(map, a, 1);
	cr_assert_eq(worker_page_token_viewers(map, a), 2);
	cr_assert_eq(worker_page_token_viewers(map, b), 1);
	cr_assert_eq(worker_page_token_viewers(map, beside), 1);
	/* a place that is given up does not hide those behind it */
	worker_page_add_token(map, a, -2);
	cr_assert_eq(worker_page_token_viewers(map, a), 0);
	cr_assert_eq(worker_page_token_viewers(map, beside), 1);
	worker_page_add_token(map, beside, 1);
	cr_assert_eq(worker_page_token_viewers(map, beside), 2);
	free(map);
}

static void add_tokens(void *map, uint64_t n, int by)
{
	for (uint64_t i = 0; i < n; i++)
		worker_page_add_token(map, 1 + i * 7, by);
}

Test(worker_page, as_many_tokens_as_viewers_are_counted)
{
	void *map = calloc(1, WORKER_PAGE_BYTES);

	worker_page_init(map);
	add_tokens(map, WORKER_VIEWERS_MAX, 1);
	for (uint64_t i = 0; i < WORKER_VIEWERS_MAX; i++)
		cr_assert_eq(worker_page_token_viewers(map, 1 + i * 7), 1);
	cr_assert_eq(worker_page_token_viewers(map, 999999999), 0);
	/* no place is empty now: each token takes one that is unused */
	add_tokens(map, WORKER_VIEWERS_MAX, -1);
	worker_page_add_token(map, 999999999, 1);
	cr_assert_eq(worker_page_token_viewers(map, 999999999), 1);
	cr_assert_eq(worker_page_token_viewers(map, 1), 0);
	free(map);
}

Test(worker_page, tokens_that_are_gone_leave_no_place_taken)
{
	void *map = calloc(1, WORKER_PAGE_BYTES);
	struct viewer_counts *counts = (void *)((char *)map + WORKER_PAGE_COUNTS_OFFSET);

	worker_page_init(map);
	add_tokens(map, WORKER_VIEWERS_MAX / 2, 1);
	add_tokens(map, WORKER_VIEWERS_MAX / 2, -1);
	for (size_t i = 0; i < WORKER_VIEWERS_MAX; i++)
		cr_assert_eq(atomic_load(&counts->of_token[i].token), 0);
	free(map);
}

Test(worker_page, viewers_of_an_output_are_counted)
{
	void *map = calloc(1, WORKER_PAGE_BYTES);

	worker_page_init(map);
	worker_page_add_output(map, 5, 1);
	worker_page_add_output(map, 5, 1);
	worker_page_add_output(map, UINT32_MAX, 1);
	cr_assert_eq(worker_page_output_viewers(map, 5), 2);
	cr_assert_eq(worker_page_output_viewers(map, 6), 0);
	cr_assert_eq(worker_page_output_viewers(map, UINT32_MAX), 0);
	worker_page_add_output(map, 5, -1);
	cr_assert_eq(worker_page_output_viewers(map, 5), 1);
	free(map);
}

Test(worker_page, a_place_is_what_was_published)
{
	void *map = calloc(1, WORKER_PAGE_BYTES);
	struct viewer_record rec = {.serial = 7, .output = UINT32_MAX};
	struct viewer_place to = {.generation = 3, .pos = 376, .accepted = 900, .rest = 17}, got;

	worker_page_init(map);
	cr_assert_eq(worker_page_place(map, 5, &got), -ENOENT);
	worker_page_put(map, 5, &rec);
	worker_page_move(map, 5, &to, VIEWER_FRONT_NONE);
	cr_assert_eq(worker_page_place(map, 5, &got), 0);
	cr_assert_eq(got.generation, 3);
	cr_assert_eq(got.pos, 376);
	cr_assert_eq(got.accepted, 900);
	cr_assert_eq(got.rest, 17);
	cr_assert_eq(got.front_len, 0);
	to.rest = 0;
	to.front_len = VIEWER_FRONT_MAX;
	memset(to.front, 'f', sizeof(to.front));
	worker_page_move(map, 5, &to, VIEWER_FRONTS);
	cr_assert_eq(worker_page_place(map, 5, &got), 0);
	cr_assert_eq(got.front_len, VIEWER_FRONT_MAX);
	cr_assert_arr_eq(got.front, to.front, sizeof(to.front));
	worker_page_move(map, 5, &to, VIEWER_FRONT_LOST);
	cr_assert_eq(worker_page_place(map, 5, &got), -ENODATA, "its bytes are nowhere");
	/* its worker died in the middle */
	worker_page_records(map)[5].moves++;
	cr_assert_eq(worker_page_place(map, 5, &got), -EAGAIN);
	free(map);
}
