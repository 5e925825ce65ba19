#include "common/tokens.h"

#include <nettle/sha2.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/shm.h"

/* The digest of one token. */
struct token_digest {
	uint8_t bytes[SHA256_DIGEST_SIZE];
	uint32_t entry;
};

struct tokens {
	const struct tokens_header *header; /* the mapping */
	const struct token_entry *entries;
	/* Random and private to this process: nobody outside can tell which digest a token has, so
	 * the time that a lookup takes says nothing about the tokens. */
	uint8_t key[SHA256_DIGEST_SIZE];
	struct token_digest digests[]; /* one an entry, in order */
};

static bool entry_valid(const struct token_entry *e)
{
	if (e->role > TOKEN_ADMIN || e->group_count > TOKEN_GROUPS_MAX ||
	    e->name[sizeof(e->name) - 1] != '\0')
		return false;
	for (size_t i = 0; i < e->group_count; i++)
		if (e->groups[i][TOKEN_GROUP_BYTES - 1] != '\0')
			return false;
	return true;
}

static bool tokens_valid(const struct tokens_header *h, uint64_t bytes)
{
	const struct token_entry *entries = (const void *)(h + 1);

	if (h->magic != TOKENS_MAGIC || h->version != TOKENS_VERSION || h->total_bytes != bytes ||
	    h->count > TOKENS_MAX || bytes != sizeof(*h) + h->count * sizeof(struct token_entry))
		return false;
	for (size_t i = 0; i < h->count; i++)
		if (!entry_valid(&entries[i]))
			return false;
	return true;
}

static void digest(const struct tokens *t, const char *token, size_t len,
		   uint8_t out[SHA256_DIGEST_SIZE])
{
	struct sha256_ctx context;

	sha256_init(&context);
	sha256_update(&context, sizeof(t->key), t->key);
	sha256_update(&context, len, (const uint8_t *)token);
	sha256_digest(&context, SHA256_DIGEST_SIZE, out);
}

static int compare_digests(const void *a, const void *b)
{
	const struct token_digest *x = a, *y = b;
	int r = memcmp(x->bytes, y->bytes, sizeof(x->bytes));

	return r != 0 ? r : (x->entry > y->entry) - (x->entry < y->entry);
}

static int digests_make(struct tokens *t)
{
	if (getrandom(t->key, sizeof(t->key), 0) != (ssize_t)sizeof(t->key))
		return -EIO;
	for (uint32_t i = 0; i < t->header->count; i++) {
		const char *token = t->entries[i].token;

		digest(t, token, strnlen(token, TOKEN_BYTES_MAX), t->digests[i].bytes);
		t->digests[i].entry = i;
	}
	qsort(t->digests, t->header->count, sizeof(t->digests[0]), compare_digests);
	return 0;
}

int tokens_open(int fd, uint64_t bytes, struct tokens **ret)
{
	const struct tokens_header *map;
	struct tokens *t = NULL;
	int r;

	if (bytes < sizeof(*map))
		return -EINVAL;
	r = shm_verify(fd, bytes, true);
	if (r < 0)
		return r;
	map = shm_map_read(fd, bytes);
	if (map == NULL)
		return -ENOMEM;
	r = tokens_valid(map, bytes) ? 0 : -EINVAL;
	if (r == 0) {
		t = malloc(sizeof(*t) + map->count * sizeof(t->digests[0]));
		r = t == NULL ? -ENOMEM : 0;
	}
	if (r == 0) {
		t->header = map;
		t->entries = (const void *)(map + 1);
		r = digests_make(t);
	}
	if (r < 0) {
		free(t);
		shm_unmap(map, bytes);
		return r;
	}
	*ret = t;
	return 0;
}

struct tokens *tokens_free(struct tokens *t)
{
	if (t != NULL) {
		shm_unmap(t->header, t->header->total_bytes);
		free(t);
	}
	return NULL;
}

const struct token_entry *tokens_find(const struct tokens *t, const char *token, size_t len,
				      int64_t wall_us)
{
	struct token_digest asked = {.entry = 0};
	size_t low = 0, high = t->header->count;

	if (len == 0)
		return NULL;
	digest(t, token, len, asked.bytes);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_digests(&t->digests[middle], &asked) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	/* equal tokens lie side by side in the order of their entries */
	for (; low < t->header->count; low++) {
		const struct token_digest *d = &t->digests[low];
		const struct token_entry *e = &t->entries[d->entry];

		if (memcmp(d->bytes, asked.bytes, sizeof(asked.bytes)) != 0)
			break;
		if (e->expires_wall_us == TIME_NONE || wall_us < e->expires_wall_us)
			return e;
	}
	return NULL;
}

const struct token_entry *tokens_shared(const struct tokens *t)
{
	if (t->header->count == 0 || (t->entries[0].flags & TOKEN_SHARED) == 0)
		return NULL;
	return &t->entries[0];
}
