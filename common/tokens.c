#include "common/tokens.h"

#include "common/clock.h"
#include "common/shm.h"
#include "common/text.h"

struct tokens {
	const struct tokens_header *header; /* the mapping */
	const struct token_entry *entries;
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

int tokens_open(int fd, uint64_t bytes, struct tokens **ret)
{
	const struct tokens_header *map;
	struct tokens *t;
	int r;

	if (bytes < sizeof(*map))
		return -EINVAL;
	r = shm_verify(fd, bytes, true);
	if (r < 0)
		return r;
	map = shm_map_read(fd, bytes);
	if (map == NULL)
		return -ENOMEM;
	t = malloc(sizeof(*t));
	if (t == NULL || !tokens_valid(map, bytes)) {
		r = t == NULL ? -ENOMEM : -EINVAL;
		shm_unmap(map, bytes);
		free(t);
		return r;
	}
	t->header = map;
	t->entries = (const void *)(map + 1);
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
	const struct token_entry *found = NULL;

	for (size_t i = 0; i < t->header->count; i++) {
		const struct token_entry *e = &t->entries[i];
		bool equal = text_equal_secret(token, len, e->token);
		bool alive = e->expires_wall_us == TIME_NONE || wall_us < e->expires_wall_us;

		if (equal && alive && found == NULL)
			found = e;
	}
	return found;
}

const struct token_entry *tokens_shared(const struct tokens *t)
{
	if (t->header->count == 0 || (t->entries[0].flags & TOKEN_SHARED) == 0)
		return NULL;
	return &t->entries[0];
}
