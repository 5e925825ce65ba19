#include "amps-master/bulk_memory.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/base.h"

#define STEP_BYTES	 (64u << 20) /* of address space; memory only where it is touched */
#define LARGE_PAGE_BYTES (2u << 20)

/* The beginning of the page there. */
static void *page_at(char *at)
{
	return at - (uintptr_t)at % (uintptr_t)sysconf(_SC_PAGESIZE);
}

void bulk_memory_prepare(void)
{
	char *first, *end;

	mallopt(M_TOP_PAD, STEP_BYTES);
	mallopt(M_TRIM_THRESHOLD, INT32_MAX);
	/* what no free piece can serve takes the step */
	first = malloc(LARGE_PAGE_BYTES / 32);
	end = sbrk(0);
	/* another allocator (a sanitizer's) has its memory elsewhere */
	if (first != NULL && first < end && (size_t)(end - first) > STEP_BYTES)
		(void)madvise(page_at(end - STEP_BYTES), STEP_BYTES, MADV_HUGEPAGE);
	free(first);
}
