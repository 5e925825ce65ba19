#include "common/shm/worker_page.h"

#include <assert.h>

#include "common/hash.h"
#include "common/shm/words.h"

void worker_page_init(void *map)
{
	struct worker_page *page = map;

	assert(page->magic == 0);
	page->version = WORKER_PAGE_VERSION;
	page->record_bytes = sizeof(struct viewer_record);
	page->magic = WORKER_PAGE_MAGIC;
}

const uint32_t worker_page_zap_ms[ZAP_BUCKETS - 1] = {10, 25, 50, 100, 250, 500, 1000, 2500, 10000};

static void add(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
			      memory_order_relaxed);
}

void worker_page_add_zap(struct worker_page *page, uint64_t took_us)
{
	size_t i = 0;

	while (i < array_size(worker_page_zap_ms) && took_us > worker_page_zap_ms[i] * 1000ull)
		i++;
	assert(i < ZAP_BUCKETS);
	add(&page->zaps[i], 1);
	add(&page->zap_us, took_us);
}

int worker_page_check(const void *map)
{
	const struct worker_page *page = map;

	if (page->magic != WORKER_PAGE_MAGIC || page->version != WORKER_PAGE_VERSION ||
	    page->record_bytes != sizeof(struct viewer_record))
		return -EINVAL;
	return 0;
}

int worker_page_get(const void *map, size_t index, struct viewer_record *ret)
{
	struct viewer_record *records = worker_page_records((void *)(uintptr_t)map), copy;
	uint64_t serial;

	if (index >= WORKER_VIEWERS_MAX)
		return -ENOENT;
	serial = atomic_load_explicit(&records[index].serial, memory_order_acquire);
	if (serial == 0)
		return -ENOENT;
	words_load(&copy, &records[index], sizeof(copy));
	if (atomic_load_explicit(&records[index].serial, memory_order_relaxed) != serial ||
	    atomic_load_explicit(&copy.serial, memory_order_relaxed) != serial)
		return -ENOENT;
	*ret = copy;
	return 0;
}

void worker_page_put(void *map, size_t index, const struct viewer_record *from)
{
	struct viewer_record *r = &worker_page_records(map)[index];
	uint64_t serial = atomic_load_explicit(&from->serial, memory_order_relaxed);
	size_t at = sizeof(r->serial);

	assert(index < WORKER_VIEWERS_MAX);
	if (serial != 0) {
		assert(atomic_load_explicit(&r->serial, memory_order_relaxed) == 0);
		words_store((char *)r + at, (const char *)from + at, sizeof(*r) - at);
	}
	atomic_store_explicit(&r->serial, serial, memory_order_release);
}

static struct viewer_front *front_at(const void *map, uint32_t front)
{
	struct viewer_front *all =
		(struct viewer_front *)((uintptr_t)map + WORKER_PAGE_FRONTS_OFFSET);

	return front != VIEWER_FRONT_NONE && front <= VIEWER_FRONTS ? &all[front - 1] : NULL;
}

void worker_page_move(void *map, size_t index, const struct viewer_place *to, uint32_t front)
{
	struct viewer_record *r = &worker_page_records(map)[index];
	struct viewer_front *f = front_at(map, front);
	uint32_t moves = atomic_load_explicit(&r->moves, memory_order_relaxed);

	assert(index < WORKER_VIEWERS_MAX && moves % 2 == 0);
	assert(!to->front_len || !to->rest);
	atomic_store_explicit(&r->moves, moves + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	if (f) {
		words_store(f->words, to->front, (to->front_len + 3) / 4 * 4);
		atomic_store_explicit(&f->len, to->front_len, memory_order_relaxed);
	}
	atomic_store_explicit(&r->front, front, memory_order_relaxed);
	atomic_store_explicit(&r->rest, to->rest, memory_order_relaxed);
	atomic_store_explicit(&r->generation, to->generation, memory_order_relaxed);
	atomic_store_explicit(&r->pos, to->pos, memory_order_relaxed);
	atomic_store_explicit(&r->accepted, to->accepted, memory_order_relaxed);
	atomic_store_explicit(&r->moves, moves + 2, memory_order_release);
}

int worker_page_place(const void *map, size_t index, struct viewer_place *ret)
{
	const struct viewer_record *r = &worker_page_records((void *)(uintptr_t)map)[index];
	const struct viewer_front *f;
	uint32_t moves, front;

	assert(index < WORKER_VIEWERS_MAX);
	if (atomic_load_explicit(&r->serial, memory_order_acquire) == 0)
		return -ENOENT;
	moves = atomic_load_explicit(&r->moves, memory_order_acquire);
	ret->generation = atomic_load_explicit(&r->generation, memory_order_relaxed);
	ret->pos = atomic_load_explicit(&r->pos, memory_order_relaxed);
	ret->accepted = atomic_load_explicit(&r->accepted, memory_order_relaxed);
	ret->rest = atomic_load_explicit(&r->rest, memory_order_relaxed);
	front = atomic_load_explicit(&r->front, memory_order_relaxed);
	f = front_at(map, front);
	ret->front_len = f ? MIN(atomic_load_explicit(&f->len, memory_order_relaxed),
				 (uint32_t)VIEWER_FRONT_MAX)
			   : 0;
	if (f)
		words_load(ret->front, f->words, (ret->front_len + 3) / 4 * 4);
	atomic_thread_fence(memory_order_acquire);
	if (moves % 2 || atomic_load_explicit(&r->moves, memory_order_relaxed) != moves)
		return -EAGAIN;
	return front != VIEWER_FRONT_NONE && !f ? -ENODATA : 0;
}

uint64_t worker_page_token(const char *token, size_t len)
{
	uint64_t hash = hash_end(hash_bytes(HASH_START, token, len));

	return hash != 0 ? hash : 1;
}

static struct viewer_counts *counts_of(const void *map)
{
	return (struct viewer_counts *)((uintptr_t)map + WORKER_PAGE_COUNTS_OFFSET);
}

/* The token's place, or the first that it may take, or NULL. */
static struct token_viewers *token_place(const void *map, uint64_t token)
{
	struct viewer_counts *c = counts_of(map);
	struct token_viewers *free_place = NULL;

	for (size_t i = 0; i < array_size(c->of_token); i++) {
		struct token_viewers *t = &c->of_token[(token + i) % array_size(c->of_token)];
		uint64_t name = atomic_load_explicit(&t->token, memory_order_relaxed);

		if (name == token)
			return t;
		if (!free_place && atomic_load_explicit(&t->viewers, memory_order_relaxed) == 0)
			free_place = t;
		if (name == 0)
			break;
	}
	return free_place;
}

/* Empties unused places with nothing behind them, else searches would grow with every token ever
 * seen. */
static void empty_places(void *map, const struct token_viewers *t)
{
	struct token_viewers *all = counts_of(map)->of_token;
	size_t at = (size_t)(t - all);
	const struct token_viewers *behind = &all[(at + 1) % WORKER_VIEWERS_MAX];

	if (atomic_load_explicit(&behind->token, memory_order_relaxed) != 0)
		return;
	while (atomic_load_explicit(&all[at].token, memory_order_relaxed) != 0 &&
	       atomic_load_explicit(&all[at].viewers, memory_order_relaxed) == 0) {
		atomic_store_explicit(&all[at].token, 0, memory_order_relaxed);
		at = (at + WORKER_VIEWERS_MAX - 1) % WORKER_VIEWERS_MAX;
	}
}

void worker_page_add_token(void *map, uint64_t token, int by)
{
	struct token_viewers *t = token_place(map, token);
	uint64_t viewers;

	assert(token != 0 && t);
	viewers = atomic_load_explicit(&t->viewers, memory_order_relaxed) + (uint64_t)(int64_t)by;
	assert(viewers <= WORKER_VIEWERS_MAX);
	atomic_store_explicit(&t->token, token, memory_order_relaxed);
	atomic_store_explicit(&t->viewers, viewers, memory_order_relaxed);
	if (viewers == 0)
		empty_places(map, t);
}

void worker_page_add_output(void *map, uint32_t output, int by)
{
	struct viewer_counts *c = counts_of(map);
	uint32_t viewers;

	assert(by == 1 || by == -1);
	if (output >= OUTPUTS_MAX)
		return;
	viewers = atomic_load_explicit(&c->of_output[output], memory_order_relaxed) + (uint32_t)by;
	assert(viewers <= WORKER_VIEWERS_MAX);
	atomic_store_explicit(&c->of_output[output], viewers, memory_order_relaxed);
}

uint64_t worker_page_token_viewers(const void *map, uint64_t token)
{
	const struct token_viewers *t = token_place(map, token);

	if (!t || atomic_load_explicit(&t->token, memory_order_relaxed) != token)
		return 0;
	return atomic_load_explicit(&t->viewers, memory_order_relaxed);
}

uint32_t worker_page_output_viewers(const void *map, uint32_t output)
{
	if (output >= OUTPUTS_MAX)
		return 0;
	return atomic_load_explicit(&counts_of(map)->of_output[output], memory_order_relaxed);
}
