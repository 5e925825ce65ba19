#include "amps-master/config/config_marks.h"

#include <assert.h>
#include <string.h>

#define FIRST_SLOTS 1024
#define FNV_START   0xcbf29ce484222325ull
#define FNV_PRIME   0x100000001b3ull

struct slot {
	uint64_t hash; /* 0 = free */
	struct mark mark;
};

struct marks {
	struct slot *slots;
	size_t cap; /* a power of two */
	size_t used;
	char **texts;
	size_t text_count, text_cap;
};

struct marks *marks_new(void)
{
	struct marks *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->cap = FIRST_SLOTS;
	m->slots = calloc(m->cap, sizeof(*m->slots));
	return m->slots != NULL ? m : marks_free(m);
}

struct marks *marks_free(struct marks *m)
{
	if (m == NULL)
		return NULL;
	for (size_t i = 0; i < m->text_count; i++)
		free(m->texts[i]);
	free(m->texts);
	free(m->slots);
	free(m);
	return NULL;
}

const char *marks_keep(struct marks *m, const char *text)
{
	char *copy;

	assert(m->text_count <= m->text_cap);
	if (m->text_count == m->text_cap) {
		size_t cap = m->text_cap == 0 ? 64 : m->text_cap * 2;
		char **texts = reallocarray(m->texts, cap, sizeof(*texts));

		if (texts == NULL)
			return NULL;
		m->texts = texts;
		m->text_cap = cap;
	}
	copy = strdup(text);
	if (copy != NULL)
		m->texts[m->text_count++] = copy;
	return copy;
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	return h != 0 ? h : 1;
}

static uint64_t hash_key(const json_t *container, const char *key)
{
	uint64_t h = FNV_START ^ (uintptr_t)container;

	for (const char *p = key; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * FNV_PRIME;
	return mix(h);
}

static uint64_t hash_index(const json_t *container, size_t index)
{
	return mix(((uintptr_t)container * FNV_PRIME) ^ (index + 1) * 0x9e3779b97f4a7c15ull);
}

static struct slot *find(struct slot *slots, size_t cap, uint64_t hash)
{
	size_t i = hash & (cap - 1);

	assert(hash != 0 && (cap & (cap - 1)) == 0);
	while (slots[i].hash != 0 && slots[i].hash != hash)
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

static int grow(struct marks *m)
{
	size_t cap = m->cap * 2;
	struct slot *slots = calloc(cap, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++) {
		if (m->slots[i].hash != 0)
			*find(slots, cap, m->slots[i].hash) = m->slots[i];
	}
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	return 0;
}

static int set(struct marks *m, uint64_t hash, struct mark mark)
{
	struct slot *slot;

	if (m->used >= m->cap / 2 && grow(m) < 0)
		return -ENOMEM;
	assert(m->used < m->cap); /* a search ends at a free slot */
	slot = find(m->slots, m->cap, hash);
	if (slot->hash == 0)
		m->used++;
	slot->hash = hash;
	slot->mark = mark;
	return 0;
}

int marks_set_key(struct marks *m, const json_t *container, const char *key, struct mark mark)
{
	return set(m, hash_key(container, key), mark);
}

int marks_set_index(struct marks *m, const json_t *container, size_t index, struct mark mark)
{
	return set(m, hash_index(container, index), mark);
}

static struct mark get(const struct marks *m, uint64_t hash)
{
	return find(m->slots, m->cap, hash)->mark;
}

struct mark marks_key(const struct marks *m, const json_t *container, const char *key)
{
	return m != NULL ? get(m, hash_key(container, key)) : (struct mark){0};
}

struct mark marks_index(const struct marks *m, const json_t *container, size_t index)
{
	return m != NULL ? get(m, hash_index(container, index)) : (struct mark){0};
}
