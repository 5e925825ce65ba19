#include "common/hash.h"

#include "unit.h"

Test(hash, known_values_never_change)
{
	/* the state is plain FNV-1a: its published test vectors hold */
	cr_assert_eq(hash_bytes(HASH_START, "", 0), 0xcbf29ce484222325ull);
	cr_assert_eq(hash_bytes(HASH_START, "a", 1), 0xaf63dc4c8601ec8cull);
	cr_assert_eq(hash_bytes(HASH_START, "foobar", 6), 0x85944171f73967e8ull);
}

Test(hash, the_end_of_a_text_counts)
{
	uint64_t a = hash_text(hash_text(HASH_START, "ab"), "c");
	uint64_t b = hash_text(hash_text(HASH_START, "a"), "bc");

	cr_assert_neq(a, b);
	cr_assert_neq(hash_text(HASH_START, ""), hash_text(HASH_START, NULL));
	cr_assert_neq(hash_end(hash_u64(HASH_START, 1)), hash_end(hash_u64(HASH_START, 256)));
}
