/* ring.c - see ring.h and ring_layout.h */
#include "common/shm/ring.h"

#include <assert.h>
#include <endian.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/shm/shm.h"

#define BOX(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))
#define BOXES_MAX	65536u /* between two places of a reader */

uint64_t ring_total_bytes(uint64_t data_bytes)
{
	return RING_DATA_OFFSET + data_bytes;
}

static bool data_bytes_ok(uint64_t n)
{
	return n >= RING_BYTES_LEAST && n <= RING_BYTES_MAX && (n & (n - 1)) == 0;
}

uint64_t ring_class(uint64_t bytes)
{
	uint64_t size = RING_BYTES_LEAST;

	while (size < bytes && size < RING_BYTES_MAX)
		size *= 2;
	assert(data_bytes_ok(size));
	return size;
}

int ring_create(const char *name, uint64_t data_bytes, uint64_t generation)
{
	_cleanup_(closep) int fd = -1;
	struct ring_header *h;

	if (!data_bytes_ok(data_bytes))
		return -EINVAL;
	fd = shm_create(name, ring_total_bytes(data_bytes));
	if (fd < 0)
		return fd;
	h = shm_map_write(fd, RING_INDEX_OFFSET);
	if (!h)
		return -errno;
	assert(h->magic == 0);
	h->magic = RING_MAGIC;
	h->version = RING_VERSION;
	h->header_bytes = sizeof(*h);
	h->data_bytes = data_bytes;
	h->generation = generation;
	atomic_store_explicit(&h->heartbeat_us, clock_mono_us(), memory_order_relaxed);
	atomic_store_explicit(&h->frontier_90k, TIME_NONE, memory_order_relaxed);
	atomic_store_explicit(&h->clock_90k, TIME_NONE, memory_order_relaxed);
	atomic_store_explicit(&h->first_clock_90k, TIME_NONE, memory_order_relaxed);
	atomic_store_explicit(&h->first_90k, TIME_NONE, memory_order_relaxed);
	shm_unmap(h, RING_INDEX_OFFSET);
	return TAKE_FD(fd);
}

void *ring_map_twice(int fd, uint64_t data_bytes, int protection, uint64_t *ret_map_bytes)
{
	uint64_t once = ring_total_bytes(data_bytes), all = once + data_bytes;
	char *base;

	assert(data_bytes_ok(data_bytes));
	base = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	if (mmap(base, once, protection, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    mmap(base + once, data_bytes, protection, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)RING_DATA_OFFSET) == MAP_FAILED) {
		int saved = errno;

		munmap(base, all);
		errno = saved;
		return NULL;
	}
	*ret_map_bytes = all;
	return base;
}

int ring_open(struct ring *r, int fd, uint64_t data_bytes, uint32_t unit_bytes)
{
	struct ring opened = {.data_bytes = data_bytes, .unit_bytes = unit_bytes};
	const struct ring_header *h;
	int seals = fcntl(fd, F_GET_SEALS), e;
	const char *map;

	if (!data_bytes_ok(data_bytes) || unit_bytes == 0 || unit_bytes > RING_UNIT_MAX)
		return -EINVAL;
	e = shm_verify(fd, ring_total_bytes(data_bytes), false);
	if (e < 0)
		return e;
	if (seals < 0 || !(seals & F_SEAL_FUTURE_WRITE))
		return -EPERM;
	map = ring_map_twice(fd, data_bytes, PROT_READ, &opened.map_bytes);
	if (!map)
		return -errno;
	h = (const struct ring_header *)(const void *)map;
	opened.header = h;
	opened.raps = (const struct ring_rap *)(const void *)(map + RING_INDEX_OFFSET);
	opened.data = (const uint8_t *)map + RING_DATA_OFFSET;
	if (h->magic != RING_MAGIC || h->version != RING_VERSION || h->header_bytes != sizeof(*h) ||
	    h->data_bytes != data_bytes) {
		ring_close(&opened);
		return -EINVAL;
	}
	*r = opened;
	return 0;
}

void ring_close(struct ring *r)
{
	shm_unmap(r->header, r->map_bytes);
	*r = (struct ring){0};
}

/* For the thread sanitizer the payload is read in atomic words: it does not know that a torn copy
 * is discarded. */
static void copy_out(void *dst, const uint8_t *src, size_t n)
{
#ifdef AMPS_TSAN
	uint8_t *d = dst;

	for (; n >= 4 && ((uintptr_t)src & 3) == 0; n -= 4, d += 4, src += 4) {
		uint32_t w = atomic_load_explicit((const _Atomic uint32_t *)(const void *)src,
						  memory_order_relaxed);
		memcpy(d, &w, 4);
	}
	for (; n; n--)
		*d++ = atomic_load_explicit((const _Atomic uint8_t *)src++, memory_order_relaxed);
#else
	memcpy(dst, src, n);
#endif
}

/* How many of the next `cap` bytes are there, in whole units; -EAGAIN, -ESTALE. */
static ssize_t ready_bytes(const struct ring *r, uint64_t pos, size_t cap)
{
	uint64_t ready = ring_commit(r) - pos;
	size_t n = MIN(ready, cap) / r->unit_bytes * r->unit_bytes;

	if (ready > r->data_bytes)
		return -ESTALE;
	assert(n <= r->data_bytes);
	return n ? (ssize_t)n : -EAGAIN;
}

/* The bytes were copied: they count if they were not overwritten meanwhile. */
static ssize_t advance(const struct ring *r, uint64_t *pos, ssize_t n)
{
	if (!ring_intact(r, *pos))
		return -ESTALE;
	*pos += (uint64_t)n;
	return n;
}

ssize_t ring_copy(const struct ring *r, uint64_t *pos, void *dst, size_t cap)
{
	ssize_t n = ready_bytes(r, *pos, cap);

	if (n < 0)
		return n;
	copy_out(dst, ring_at(r, *pos), (size_t)n);
	return advance(r, pos, n);
}

static int read_at(int fd, void *dst, size_t n, uint64_t at)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, (char *)dst + done, n - done, (off_t)(at + done));

		if (got == 0 || (got < 0 && errno != EINTR))
			return got == 0 ? -EIO : -errno;
		done += (size_t)MAX(got, 0);
	}
	return 0;
}

ssize_t ring_read(const struct ring *r, int fd, uint64_t *pos, void *dst, size_t cap)
{
	uint64_t offset = *pos & (r->data_bytes - 1);
	ssize_t n = ready_bytes(r, *pos, cap);
	int e;

	if (n < 0)
		return n;
	/* up to the end of the ring, and on from its beginning */
	cap = (size_t)MIN((uint64_t)n, r->data_bytes - offset);
	e = read_at(fd, dst, cap, RING_DATA_OFFSET + offset);
	if (e == 0 && (size_t)n > cap)
		e = read_at(fd, (char *)dst + cap, (size_t)n - cap, RING_DATA_OFFSET);
	return e < 0 ? e : advance(r, pos, n);
}

/* Copies the first `n` bytes of slot `number`; false when the writer has reused it meanwhile. */
static bool rap_copy(const struct ring *r, uint64_t number, size_t n, struct ring_rap *ret)
{
	uint64_t intent;

	assert(n <= sizeof(*ret));
	copy_out(ret, (const uint8_t *)&r->raps[number & (RING_RAPS - 1)], n);
	atomic_thread_fence(memory_order_acquire);
	intent = atomic_load_explicit(&r->header->rap_intent, memory_order_relaxed);
	return intent - number <= RING_RAPS;
}

/* A slot is usable while its position is published and inside the guard.  The other fields are
 * checked where they are used. */
static bool rap_usable(const struct ring *r, const struct ring_rap *rap)
{
	uint64_t commit = ring_commit(r);

	return rap->pos <= commit && commit - rap->pos <= ring_guard(r) &&
	       rap->pos % r->unit_bytes == 0;
}

/* Walks from the newest slot towards the oldest until one is at least as old as stop_mono_us; takes
 * the last good one.  0 or -ENOENT. */
static int walk_back(const struct ring *r, uint64_t stop_mono_us, uint64_t from_pos,
		     struct ring_rap *ret)
{
	uint64_t count = ring_rap_count(r), best = UINT64_MAX;
	uint64_t oldest = count > RING_RAPS ? count - RING_RAPS : 0;

	for (uint64_t n = count; n > oldest; n--) {
		struct ring_rap rap;

		if (!rap_copy(r, n - 1, offsetof(struct ring_rap, bytes), &rap) ||
		    !rap_usable(r, &rap) || rap.pos < from_pos)
			break;
		best = n - 1;
		if (rap.mono_us <= stop_mono_us)
			break;
	}
	/* the slot is read again, now with its intro, so it is judged again */
	if (best == UINT64_MAX || !rap_copy(r, best, sizeof(*ret), ret) || !rap_usable(r, ret) ||
	    ret->pos < from_pos)
		return -ENOENT;
	return 0;
}

int ring_find_rap(const struct ring *r, uint64_t now_us, uint64_t min_age_us,
		  struct ring_rap *ret_rap)
{
	return walk_back(r, now_us > min_age_us ? now_us - min_age_us : 0, 0, ret_rap);
}

int ring_oldest_rap(const struct ring *r, uint64_t from_pos, struct ring_rap *ret_rap)
{
	return walk_back(r, 0, from_pos, ret_rap);
}

int ring_piece_end(const struct ring *r, uint64_t from, uint64_t pos, uint64_t *ret_end)
{
	uint64_t at = from, end = from, commit = ring_commit(r);

	for (unsigned n = 0; end < pos; n++) {
		uint32_t head[2], bytes;

		if (at > commit || commit - at < sizeof(head))
			return -EAGAIN;
		copy_out(head, ring_at(r, at), sizeof(head));
		bytes = be32toh(head[0]);
		if (bytes < sizeof(head) || n == BOXES_MAX)
			return -EBADMSG;
		at += bytes;
		/* what precedes the data of a fragment, or the tables, is not complete without */
		if (be32toh(head[1]) == BOX('m', 'd', 'a', 't') ||
		    be32toh(head[1]) == BOX('m', 'o', 'o', 'v'))
			end = at;
	}
	*ret_end = end;
	return 0;
}

struct ring_intro ring_intro(const struct ring_rap *rap, bool marked)
{
	size_t mark = MIN(rap->mark_bytes, RING_INTRO_MAX);
	size_t intro = MIN(rap->intro_bytes, RING_INTRO_MAX - mark);

	return marked ? (struct ring_intro){rap->bytes, mark + intro}
		      : (struct ring_intro){rap->bytes + mark, intro};
}
