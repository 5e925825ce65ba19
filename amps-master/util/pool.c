#include "amps-master/util/pool.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCK_BYTES (256u << 10)
#define ALIGNMENT   alignof(max_align_t)

struct pool_block {
	struct pool_block *next;
	size_t size;
	alignas(max_align_t) char bytes[];
};

void pool_done(struct pool *p)
{
	struct pool_block *b = p->blocks, *next;

	for (; b != NULL; b = next) {
		next = b->next;
		munmap(b, b->size);
	}
	*p = POOL_INIT;
}

static bool pool_grow(struct pool *p, size_t n)
{
	size_t size = MAX((size_t)BLOCK_BYTES, n + sizeof(struct pool_block));
	struct pool_block *b =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED)
		return false;
	b->next = p->blocks;
	b->size = size;
	p->blocks = b;
	p->used = 0;
	p->size = size - sizeof(*b);
	return true;
}

void *pool_take(struct pool *p, size_t n)
{
	char *at;

	n = (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	assert(p->used <= p->size);
	if (n > p->size - p->used && !pool_grow(p, n))
		return NULL;
	assert(p->blocks != NULL && n <= p->size - p->used);
	at = p->blocks->bytes + p->used;
	p->used += n;
	return at;
}

const char *pool_text(struct pool *p, const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy;

	if (p->last != NULL && strcmp(p->last, text) == 0)
		return p->last;
	copy = pool_take(p, n);
	if (copy != NULL)
		p->last = memcpy(copy, text, n);
	return copy;
}
