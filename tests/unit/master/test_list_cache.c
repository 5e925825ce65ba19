#include "amps-master/api/list_cache.h"

#include <unistd.h>
#include "common/shm/tokens.h"
#include "unit.h"

static const struct token_entry everything = {.group_count = 0};
static const struct token_entry news = {.group_count = 1, .groups = {"News"}};
static const struct token_entry both = {.group_count = 2, .groups = {"News", "Sea"}};

/* Of an administrator if `token` is NULL. */
static struct api_call call_of(const struct token_entry *token, const char *search, uint32_t offset)
{
	return (struct api_call){.result = API_RESULT_NONE,
				 .rights = token ? API_VIEWER : API_ADMIN,
				 .token = token,
				 .m = {.operation = API_STREAMS,
				       .region = "",
				       .group = "",
				       .ids = "",
				       .search = search,
				       .limit = UINT32_MAX,
				       .offset = offset}};
}

static void put(struct list_cache *l, uint64_t generation, struct api_call c, char letter)
{
	struct buf list = BUF_INIT;

	for (size_t i = 0; i <= API_ANSWER_BYTES; i++)
		buf_putc(&list, letter);
	cr_assert_not(list_cache_answer(l, generation, &c));
	call_succeed_list(&c, &list, 7);
	cr_assert_geq(c.result.file, 0);
	list_cache_keep(l, generation, &c);
	api_result_done(&c.result);
}

/* The letter of the list, 0 = none is kept. */
static char get(struct list_cache *l, uint64_t generation, struct api_call c)
{
	char letter = 0;

	if (!list_cache_answer(l, generation, &c))
		return 0;
	cr_expect_eq(c.result.status, 200);
	cr_expect_eq(c.result.total, 7);
	cr_expect_eq(c.result.bytes, API_ANSWER_BYTES + 1);
	cr_expect_neq(c.result.etag[0], '\0');
	cr_expect_eq(pread(c.result.file, &letter, 1, API_ANSWER_BYTES), 1);
	api_result_done(&c.result);
	return letter;
}

Test(list_cache, a_list_is_for_the_same_request_of_the_same_rights_and_generation)
{
	struct list_cache l = {0};
	struct api_call commands = call_of(NULL, "", 0);

	commands.rights = API_COMMANDS;
	put(&l, 1, call_of(NULL, "", 0), 'a');
	put(&l, 1, call_of(&everything, "", 0), 'v');
	put(&l, 1, call_of(&news, "", 0), 'n');
	cr_expect_eq(get(&l, 1, call_of(NULL, "", 0)), 'a');
	cr_expect_eq(get(&l, 1, commands), 'a');
	cr_expect_eq(get(&l, 1, call_of(&everything, "", 0)), 'v');
	cr_expect_eq(get(&l, 1, call_of(&news, "", 0)), 'n');
	cr_expect_eq(get(&l, 1, call_of(&both, "", 0)), 0);
	cr_expect_eq(get(&l, 1, call_of(&everything, "News", 0)), 0);
	cr_expect_eq(get(&l, 1, call_of(NULL, "", 1)), 0);
	cr_expect_eq(get(&l, 2, call_of(NULL, "", 0)), 0);
	cr_expect_eq(l.count, 0);
	list_cache_done(&l);
}

Test(list_cache, the_oldest_is_replaced_and_a_short_list_is_not_kept)
{
	struct list_cache l = {0};
	struct api_call brief = call_of(NULL, "", 0);
	struct buf list = BUF_INIT;

	buf_puts(&list, "[]");
	call_succeed_list(&brief, &list, 0);
	cr_expect_str_eq(brief.result.json, "[]");
	list_cache_keep(&l, 1, &brief);
	cr_expect_eq(l.count, 0);
	api_result_done(&brief.result);
	for (uint32_t i = 0; i <= API_LISTS_MAX; i++)
		put(&l, 1, call_of(NULL, "", i), (char)('a' + i));
	cr_expect_eq(get(&l, 1, call_of(NULL, "", 0)), 0);
	for (uint32_t i = 1; i <= API_LISTS_MAX; i++)
		cr_expect_eq(get(&l, 1, call_of(NULL, "", i)), 'a' + (char)i);
	list_cache_done(&l);
}
