/* ring_pool.h - rings made off the master's loop.
 *
 * Allocating a ring of 64 MiB takes the kernel several milliseconds; the loop never waits for it.
 * One thread makes what is asked for, in order; each ring comes back as a callback in the loop. */
#ifndef AMPS_RING_POOL_H
#define AMPS_RING_POOL_H

#include <event2/event.h>
#include "common/base.h"

struct ring_pool;

/* `fd` is the callee's, or -Exxx; the other values are as in the request. */
typedef void (*ring_pool_done_fn)(void *owner, uint32_t output, uint64_t generation, int fd);

/* 0, -ENOMEM, or -Exxx when the thread cannot be made. */
must_check int ring_pool_new(struct event_base *base, ring_pool_done_fn done, void *owner,
			     struct ring_pool **ret);
/* Joins the thread; requests not answered yet are dropped.  Returns NULL; accepts NULL. */
struct ring_pool *ring_pool_free(struct ring_pool *p);

/* Asks for a ring.  0 or -ENOMEM. */
must_check int ring_pool_request(struct ring_pool *p, uint32_t output, uint64_t generation,
				 uint64_t data_bytes);

#endif
