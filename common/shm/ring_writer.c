/* ring_writer.c - see ring_writer.h and ring_layout.h */
#include "common/shm/ring_writer.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "common/shm/shm.h"

#define PRESENT_BLOCK RING_WRITE_MAX

int ring_writer_open(struct ring_writer *w, int fd, uint64_t data_bytes)
{
	struct ring_writer opened = {.data_bytes = data_bytes};
	uint64_t map_bytes;
	char *map;
	int r = shm_verify(fd, ring_total_bytes(data_bytes), false);

	if (r < 0)
		return r;
	map = ring_map_twice(fd, data_bytes, PROT_READ | PROT_WRITE, &map_bytes);
	if (!map)
		return -errno;
	opened.header = (struct ring_header *)(void *)map;
	opened.raps = (struct ring_rap *)(void *)(map + RING_INDEX_OFFSET);
	opened.data = (uint8_t *)map + RING_DATA_OFFSET;
	opened.commit = atomic_load_explicit(&opened.header->commit, memory_order_relaxed);
	opened.intent = atomic_load_explicit(&opened.header->intent, memory_order_relaxed);
	opened.rap_count = atomic_load_explicit(&opened.header->rap_commit, memory_order_relaxed);
	*w = opened;
	return 0;
}

void ring_writer_close(struct ring_writer *w)
{
	if (w->header)
		shm_unmap(w->header, ring_total_bytes(w->data_bytes) + w->data_bytes);
	*w = (struct ring_writer){0};
}

/* Allocates the pages before `end` of the mapping in blocks: one fault for each page costs some
 * twenty times as much and would be most of a job's work in the first round of the ring. */
static void make_present(struct ring_writer *w, uint64_t end)
{
	uint64_t all = MIN(w->data_bytes + RING_WRITE_MAX, 2 * w->data_bytes);

	while (w->present < end && w->present < all) {
		uint64_t n = MIN(PRESENT_BLOCK, all - w->present);

		if (madvise(w->data + w->present, n, MADV_POPULATE_WRITE) < 0)
			n = all - w->present; /* Linux before 5.14: pages come by faults */
		w->present += n;
	}
}

void ring_writer_begin(struct ring_writer *w, uint64_t pos)
{
	assert(w->commit <= pos && w->intent <= pos);
	w->intent = w->commit = pos;
	atomic_store_explicit(&w->header->intent, pos, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&w->header->commit, pos, memory_order_release);
}

uint8_t *ring_writer_reserve(struct ring_writer *w, size_t n)
{
	uint64_t offset = w->commit & (w->data_bytes - 1);

	assert(n <= RING_WRITE_MAX && w->commit <= w->intent);
	make_present(w, offset + n);
	/* `intent` never decreases: the bytes up to it may have been changed already */
	if (w->commit + n > w->intent) {
		w->intent = w->commit + n;
		atomic_store_explicit(&w->header->intent, w->intent, memory_order_relaxed);
	}
	/* pairs with the acquire fence in ring_intact(): a reader that sees these bytes sees intent
	 */
	atomic_thread_fence(memory_order_release);
	return w->data + offset;
}

void ring_writer_commit(struct ring_writer *w, size_t n)
{
	assert(w->commit + n <= w->intent);
	w->commit += n;
	atomic_store_explicit(&w->header->commit, w->commit, memory_order_release);
}

/* As copy_out() in ring.c: atomic words for the thread sanitizer. */
static void copy_in(uint8_t *dst, const uint8_t *src, size_t n)
{
#ifdef AMPS_TSAN
	for (; n >= 4 && ((uintptr_t)dst & 3) == 0; n -= 4, dst += 4, src += 4) {
		uint32_t word;

		memcpy(&word, src, 4);
		atomic_store_explicit((_Atomic uint32_t *)(void *)dst, word, memory_order_relaxed);
	}
	for (; n; n--)
		atomic_store_explicit((_Atomic uint8_t *)dst++, *src++, memory_order_relaxed);
#else
	memcpy(dst, src, n);
#endif
}

void ring_writer_append(struct ring_writer *w, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	while (n) {
		size_t part = MIN(n, RING_WRITE_MAX / RING_UNIT_MAX * RING_UNIT_MAX);

		copy_in(ring_writer_reserve(w, part), from, part);
		ring_writer_commit(w, part);
		from += part;
		n -= part;
	}
}

void ring_writer_amend(struct ring_writer *w, uint64_t pos, uint32_t value)
{
	assert(pos % 4 == 0 && pos + 4 <= w->commit && w->commit - pos <= w->data_bytes);
	copy_in(w->data + pos % w->data_bytes, (const uint8_t *)&value, sizeof(value));
}

void ring_writer_add_rap(struct ring_writer *w, struct ring_rap *rap)
{
	struct ring_rap *slot = &w->raps[w->rap_count & (RING_RAPS - 1)];
	uint64_t now_us = clock_mono_us();

	assert(rap->pos <= w->commit && rap->mark_bytes + rap->intro_bytes <= RING_INTRO_MAX);
	if (w->rap_count && now_us - w->last_rap_us < RING_RAP_SPACING_US)
		return;
	rap->mono_us = now_us;
	atomic_store_explicit(&w->header->rap_intent, w->rap_count + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	copy_in((uint8_t *)slot, (const uint8_t *)rap,
		offsetof(struct ring_rap, bytes) + rap->mark_bytes + rap->intro_bytes);
	w->rap_count++;
	w->last_rap_us = now_us;
	atomic_store_explicit(&w->header->rap_commit, w->rap_count, memory_order_release);
}

void ring_writer_heartbeat(struct ring_writer *w, uint64_t now_us)
{
	atomic_store_explicit(&w->header->heartbeat_us, now_us, memory_order_relaxed);
}

void ring_writer_pcr(struct ring_writer *w, int64_t pcr_90k)
{
	atomic_store_explicit(&w->header->clock_90k, pcr_90k, memory_order_relaxed);
}

void ring_writer_first_pcr(struct ring_writer *w, int64_t pcr_90k)
{
	atomic_store_explicit(&w->header->first_clock_90k, pcr_90k, memory_order_relaxed);
}

void ring_writer_frontier(struct ring_writer *w, int64_t pts_end_90k)
{
	atomic_store_explicit(&w->header->frontier_90k, pts_end_90k, memory_order_relaxed);
}

void ring_writer_stats(struct ring_writer *w, uint64_t bytes_in, uint64_t bitrate_in,
		       uint64_t errors_in)
{
	atomic_store_explicit(&w->header->bytes_in, bytes_in, memory_order_relaxed);
	atomic_store_explicit(&w->header->bitrate_in, bitrate_in, memory_order_relaxed);
	atomic_store_explicit(&w->header->errors_in, errors_in, memory_order_relaxed);
}

void ring_writer_clock(struct ring_writer *w, uint64_t jumps_in, uint64_t pcr_interval_us,
		       uint64_t pcr_jitter_us)
{
	atomic_store_explicit(&w->header->jumps_in, jumps_in, memory_order_relaxed);
	atomic_store_explicit(&w->header->pcr_interval_us, pcr_interval_us, memory_order_relaxed);
	atomic_store_explicit(&w->header->pcr_jitter_us, pcr_jitter_us, memory_order_relaxed);
}

void ring_writer_pair(struct ring_writer *w, const uint64_t counts[RING_PAIR_COUNT_])
{
	for (size_t i = 0; i < RING_PAIR_COUNT_; i++)
		atomic_store_explicit(&w->header->pair[i], counts[i], memory_order_relaxed);
}

void ring_writer_ended(struct ring_writer *w)
{
	atomic_store_explicit(&w->header->ended, 1, memory_order_release);
}
