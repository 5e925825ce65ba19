#include "common/shm/snapshot.h"

#include "unit.h"
#include "common/shm/catalog.h"
#include "common/shm/shm.h"
#include "common/shm/tokens.h"

static struct tokens_header no_tokens(void)
{
	return (struct tokens_header){.snapshot = {.magic = TOKENS_MAGIC,
						   .version = TOKENS_VERSION,
						   .header_bytes = sizeof(struct tokens_header),
						   .total_bytes = sizeof(struct tokens_header),
						   .generation = 7}};
}

Test(snapshot, lives_until_its_last_reference_ends)
{
	struct tokens_header image = no_tokens();
	struct snapshot *s = NULL;
	int fd = shm_snapshot("test-tokens", &image, sizeof(image));

	cr_assert_eq(snapshot_open(&tokens_type, fd, sizeof(image), &s), 0);
	close(fd);
	cr_assert_eq(snapshot_ref(s), s);
	cr_assert_null(snapshot_unref(s));
	cr_assert_eq(s->header->generation, 7);
	cr_assert_null(tokens_shared(tokens_of(s)));
	cr_assert_null(snapshot_unref(s));
	cr_assert_null(snapshot_unref(NULL));
}

Test(snapshot, of_another_kind_is_refused)
{
	struct tokens_header image = no_tokens();
	struct snapshot *s = NULL;
	int fd = shm_snapshot("test-tokens", &image, sizeof(image));

	cr_assert_eq(snapshot_open(&catalog_type, fd, sizeof(image), &s), -EINVAL);
	cr_assert_null(s);
	close(fd);
}

Test(snapshot, memory_that_may_change_is_refused)
{
	struct tokens_header image = no_tokens();
	struct snapshot *s = NULL;
	int fd = shm_create("test-tokens", sizeof(image));

	cr_assert_eq(write(fd, &image, sizeof(image)), (ssize_t)sizeof(image));
	cr_assert_eq(snapshot_open(&tokens_type, fd, sizeof(image), &s), -EPERM);
	cr_assert_null(s);
	close(fd);
}

Test(snapshot, of_a_size_no_kind_has_is_not_mapped)
{
	struct snapshot *s = NULL;

	cr_assert_eq(snapshot_open(&catalog_type, -1, 8, &s), -EINVAL);
	cr_assert_eq(snapshot_open(&tokens_type, -1, UINT64_MAX, &s), -EINVAL);
	cr_assert_null(s);
}
