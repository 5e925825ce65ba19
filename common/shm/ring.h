/* ring.h - reading a ring (ring_layout.h has the map and the rule).
 *
 * A worker, the derive job or the master maps a ring read-only.  Sizes come from the message that
 * brought the descriptor, never from the page.  Nothing here blocks, allocates (but ring_open) or
 * logs. */
#ifndef AMPS_RING_H
#define AMPS_RING_H

#include "common/base.h"
#include "common/clock.h"
#include "common/shm/ring_layout.h"

struct ring {
	const struct ring_header *header;
	const struct ring_rap *raps;
	const uint8_t *data; /* data_bytes, mapped twice in a row */
	uint64_t data_bytes; /* as the master said, as is the next */
	uint32_t unit_bytes; /* whole units are read: 188 in a transport stream */
	uint64_t map_bytes;
};

/* Total bytes of the memfd for this much data. */
uint64_t ring_total_bytes(uint64_t data_bytes);

/* The ring class (a power of two between RING_BYTES_LEAST and RING_BYTES_MAX) that holds `bytes`.
 */
uint64_t ring_class(uint64_t bytes);

/* Creates the memfd of a ring and writes the master's part of the header.  fd or -Exxx. */
must_check int ring_create(const char *name, uint64_t data_bytes, uint64_t generation);

/* Maps a ring read-only after verifying its size and seals.  The descriptor stays the caller's.
 * 0, -EPERM (not sealed), -EINVAL (size, unit, magic or version), -ENOMEM. */
must_check int ring_open(struct ring *r, int fd, uint64_t data_bytes, uint32_t unit_bytes);
void ring_close(struct ring *r); /* accepts a zeroed struct; leaves one */

/* Bytes published so far. */
static inline uint64_t ring_commit(const struct ring *r)
{
	return atomic_load_explicit(&r->header->commit, memory_order_acquire);
}

/* Where position `pos` lies; the next data_bytes bytes are contiguous. */
static inline const uint8_t *ring_at(const struct ring *r, uint64_t pos)
{
	return r->data + (pos & (r->data_bytes - 1));
}

/* True when nothing at or above `pos` has been overwritten.  To be called after the bytes were
 * copied or sent. */
static inline bool ring_intact(const struct ring *r, uint64_t pos)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&r->header->intent, memory_order_relaxed) - pos <=
	       r->data_bytes;
}

/* The distance behind the newest byte at which a reader must give up its position.  The writer
 * cannot overtake a send that began inside this distance, unless the reader itself is stopped
 * meanwhile. */
static inline uint64_t ring_guard(const struct ring *r)
{
	return r->data_bytes - r->data_bytes / 8;
}

/* Copies up to `cap` bytes (whole units) from *pos and advances it.  Returns the count,
 * -EAGAIN (nothing new) or -ESTALE (lapped; *pos unchanged, take a random access point). */
must_check ssize_t ring_copy(const struct ring *r, uint64_t *pos, void *dst, size_t cap);

/* The same by the ring's descriptor.  For a reader that goes through the ring by itself: a page of
 * the mapping that it has not touched yet costs a fault, which takes longer than the copy.  Further
 * -Exxx of pread(). */
must_check ssize_t ring_read(const struct ring *r, int fd, uint64_t *pos, void *dst, size_t cap);

/* The newest random access point whose age at `now_us` is at least min_age_us and whose data is
 * still inside the guard; if none is that old, the oldest one that is inside it.
 * 0 or -ENOENT (there is none). */
must_check int ring_find_rap(const struct ring *r, uint64_t now_us, uint64_t min_age_us,
			     struct ring_rap *ret_rap);

/* The oldest point still inside the guard whose position is >= from_pos.  0 or -ENOENT. */
must_check int ring_oldest_rap(const struct ring *r, uint64_t from_pos, struct ring_rap *ret_rap);

/* In a ring of boxes (form_has_boxes()): the first position at or behind `pos` where a reader may
 * leave the stream, between two fragments or behind an init segment.  `from` <= pos is one.  0, or
 * -EAGAIN (the box that decides it is not published yet) or -EBADMSG (there are no boxes).  The
 * caller checks ring_intact(from). */
must_check int ring_piece_end(const struct ring *r, uint64_t from, uint64_t pos, uint64_t *ret_end);

/* Number of random access points ever written. */
static inline uint64_t ring_rap_count(const struct ring *r)
{
	return atomic_load_explicit(&r->header->rap_commit, memory_order_acquire);
}

/* True once no byte will follow those that ring_commit() shows from now on. */
static inline bool ring_ended(const struct ring *r)
{
	return atomic_load_explicit(&r->header->ended, memory_order_acquire) != 0;
}

static inline int64_t ring_frontier_90k(const struct ring *r)
{
	return atomic_load_explicit(&r->header->frontier_90k, memory_order_relaxed);
}

static inline int64_t ring_clock_90k(const struct ring *r)
{
	return atomic_load_explicit(&r->header->clock_90k, memory_order_relaxed);
}

/* What a reader sends before the bytes at rap->pos, with the mark of a gap in front if it was
 * elsewhere before.  Points into the slot; bounds-checked. */
struct ring_intro {
	const uint8_t *bytes;
	size_t len; /* at most RING_INTRO_MAX */
};
struct ring_intro ring_intro(const struct ring_rap *rap, bool marked);

/* For ring.c and ring_writer.c: maps the whole ring, and its data once more behind it, so that a
 * run across the end of the ring is contiguous.  NULL on failure (errno says why). */
void *ring_map_twice(int fd, uint64_t data_bytes, int protection, uint64_t *ret_map_bytes);

#endif
