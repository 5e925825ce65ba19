#include "common/worker_page.h"

#include "common/hash.h"
#include "common/words.h"

void worker_page_init(void *map)
{
	struct worker_page *page = map;

	page->version = WORKER_PAGE_VERSION;
	page->record_bytes = sizeof(struct viewer_record);
	page->magic = WORKER_PAGE_MAGIC;
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

uint64_t worker_page_token(const char *token, size_t len)
{
	uint64_t hash = hash_end(hash_bytes(HASH_START, token, len));

	return hash != 0 ? hash : 1;
}

uint64_t worker_page_count_token(const void *map, uint64_t token)
{
	const struct worker_page *page = map;
	const struct viewer_record *records = worker_page_records((void *)(uintptr_t)map);
	uint32_t used = atomic_load_explicit(&page->records_used, memory_order_relaxed);
	uint64_t n = 0;

	used = MIN(used, (uint32_t)WORKER_VIEWERS_MAX);
	for (uint32_t i = 0; i < used; i++)
		n += atomic_load_explicit(&records[i].serial, memory_order_acquire) != 0 &&
		     atomic_load_explicit(&records[i].token, memory_order_relaxed) == token;
	return n;
}
