#include <string.h>
#include "amps-worker/http/body_cache.h"
#include "common/limits.h"
#include "unit.h"

/* Puts `n` bytes that do not compress under a key of one byte; drops the reference. */
static void put(struct body_cache *cache, char key, size_t n, int64_t now, int64_t expires)
{
	struct buf plain = BUF_INIT;
	unsigned seed = (unsigned char)key;

	for (size_t i = 0; i < n; i++)
		buf_putc(&plain, (char)rand_r(&seed));
	body_unref(body_cache_put(cache, &key, 1, &plain, "x/y", now, expires));
	cr_assert_null(plain.data, "the bytes were taken");
}

static bool has(struct body_cache *cache, char key, int64_t now)
{
	struct body *b = body_cache_get(cache, &key, 1, now);
	bool found = b != NULL;

	body_unref(b);
	return found;
}

Test(body_cache, finds_by_the_whole_key)
{
	struct body_cache *cache = body_cache_new(1 << 20);
	struct buf plain = BUF_INIT;
	struct body *made, *found;

	buf_puts(&plain, "text");
	made = body_cache_put(cache, "a\0b", 3, &plain, "x/y", 0, INT64_MAX);
	found = body_cache_get(cache, "a\0b", 3, 5);
	cr_expect_eq(made, found);
	cr_expect_str_eq(found->plain, "text");
	cr_expect_str_eq(found->type, "x/y");
	cr_expect_null(found->gzip, "four bytes are not worth it");
	cr_expect_null(body_cache_get(cache, "a\0c", 3, 5));
	cr_expect_null(body_cache_get(cache, "a", 1, 5));
	body_unref(made);
	body_cache_free(cache);
	cr_expect_str_eq(found->plain, "text", "who uses a body keeps it");
	body_unref(found);
}

Test(body_cache, drops_the_least_recently_used)
{
	struct body_cache *cache = body_cache_new(48000);

	for (char key = 'a'; key <= 'd'; key++)
		put(cache, key, 10000, 0, INT64_MAX);
	cr_expect(has(cache, 'a', 1));
	put(cache, 'e', 10000, 0, INT64_MAX);
	cr_expect(!has(cache, 'b', 1));
	cr_expect(has(cache, 'a', 1) && has(cache, 'c', 1) && has(cache, 'e', 1));
	cr_expect_leq(body_cache_bytes(cache), 48000);
	put(cache, 'f', 20000, 0, INT64_MAX);
	cr_expect(!has(cache, 'f', 1), "too large to be kept");
	cr_expect_eq(body_cache_count(cache), 4);
	body_cache_free(cache);
}

Test(body_cache, bounds_its_entries)
{
	struct body_cache *cache = body_cache_new(1 << 20);

	for (uint32_t key = 0; key < BODY_CACHE_ENTRIES + 50; key++) {
		struct buf plain = BUF_INIT;

		buf_puts(&plain, "x");
		body_unref(body_cache_put(cache, &key, sizeof(key), &plain, "x/y", 0, INT64_MAX));
	}
	cr_expect_eq(body_cache_count(cache), BODY_CACHE_ENTRIES);
	body_cache_free(cache);
	cache = body_cache_new(0);
	put(cache, 'a', 10, 0, INT64_MAX);
	cr_expect_eq(body_cache_count(cache), 0);
	body_cache_free(cache);
}

Test(body_cache, an_entry_expires)
{
	struct body_cache *cache = body_cache_new(1 << 20);

	put(cache, 'a', 10, 100, 200);
	cr_expect(has(cache, 'a', 100) && has(cache, 'a', 199));
	cr_expect(!has(cache, 'a', 200));
	cr_expect_eq(body_cache_count(cache), 0);
	put(cache, 'a', 10, 100, 200);
	cr_expect(!has(cache, 'a', 99), "the clock went back");
	cr_expect_eq(body_cache_bytes(cache), 0);
	body_cache_free(cache);
}

Test(body_cache, replaces_the_same_key)
{
	struct body_cache *cache = body_cache_new(1 << 20);

	put(cache, 'a', 100, 0, INT64_MAX);
	put(cache, 'a', 50, 0, INT64_MAX);
	cr_expect_eq(body_cache_count(cache), 1);
	cr_expect_lt(body_cache_bytes(cache), 300);
	body_cache_free(cache);
}

Test(body_cache, names_bodies_by_their_content)
{
	static const char *const texts[] = {"", "a", "b", "ab", "ba", "12345678", "123456789"};
	struct body_cache *cache = body_cache_new(1 << 20);
	struct body *bodies[array_size(texts)];

	for (size_t i = 0; i < array_size(texts); i++) {
		struct buf plain = BUF_INIT;

		buf_puts(&plain, texts[i]);
		bodies[i] = body_cache_put(cache, "k", 1, &plain, "x/y", 0, INT64_MAX);
		for (size_t j = 0; j < i; j++)
			cr_expect_str_neq(bodies[i]->etag, bodies[j]->etag);
	}
	for (size_t i = 0; i < array_size(texts); i++)
		body_unref(bodies[i]);
	body_cache_free(cache);
}
