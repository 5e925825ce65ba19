#include "amps-worker/lineup/id_set.h"

#include <assert.h>

#include "common/hash.h"

int id_set_init(struct id_set *s, size_t count)
{
	size_t size = 16;

	while (size < 2 * count)
		size *= 2;
	s->slots = calloc(size, sizeof(*s->slots));
	s->mask = size - 1;
	return s->slots ? 0 : -ENOMEM;
}

void id_set_done(struct id_set *s)
{
	free(s->slots);
	*s = (struct id_set){0};
}

/* Where an id is or would be; *ret_hash is what is kept of it. */
static size_t find(const struct id_set *s, const char *id, uint64_t *ret_hash)
{
	uint64_t hash = hash_end(hash_text(HASH_START, id));
	size_t at = hash & s->mask;

	assert(s->slots);
	hash += hash == 0;
	while (s->slots[at] && s->slots[at] != hash)
		at = (at + 1) & s->mask;
	*ret_hash = hash;
	return at;
}

bool id_set_has(const struct id_set *s, const char *id)
{
	uint64_t hash;

	return s->slots[find(s, id, &hash)] != 0;
}

bool id_set_add(struct id_set *s, const char *id)
{
	uint64_t hash;
	size_t at = find(s, id, &hash);

	if (s->slots[at])
		return false;
	s->slots[at] = hash;
	return true;
}
