/* both.h - both ends of a ring in one process: its writer and a reader. */
#ifndef BOTH_H
#define BOTH_H

#include "unit.h"
#include "common/shm/ring_writer.h"
#include "common/shm/shm.h"

struct both {
	int fd;
	struct ring_writer w;
	struct ring r;
};

static inline void both_open(struct both *b, size_t bytes, unsigned unit)
{
	b->fd = ring_create("test", bytes, 1);
	cr_assert_geq(b->fd, 0);
	cr_assert_eq(ring_writer_open(&b->w, b->fd, bytes), 0);
	cr_assert_eq(shm_seal_writer(b->fd), 0);
	cr_assert_eq(ring_open(&b->r, b->fd, bytes, unit), 0);
}

static inline void both_close(struct both *b)
{
	ring_writer_close(&b->w);
	ring_close(&b->r);
	close_fd(&b->fd);
}

#endif
