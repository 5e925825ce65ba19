#include "amps-master/tuners/ring_pool.h"

#include "amps-master/util/work_queue.h"
#include "common/shm/ring.h"

struct ring_pool {
	struct work_queue *queue;
	ring_pool_done_fn done;
	void *owner;
};

struct order {
	struct work work;
	struct ring_pool *pool;
	uint32_t output;
	uint64_t generation;
	uint64_t data_bytes;
	int fd; /* the answer */
};

static void order_run(struct work *w)
{
	struct order *o = (struct order *)w;

	o->fd = ring_create("amps-ring", o->data_bytes, o->generation);
}

static void order_done(struct work *w)
{
	struct order *o = (struct order *)w;

	o->pool->done(o->pool->owner, o->output, o->generation, o->fd);
	free(o);
}

static void order_drop(struct work *w)
{
	close_fd(&((struct order *)w)->fd);
	free(w);
}

int ring_pool_new(struct event_base *base, ring_pool_done_fn done, void *owner,
		  struct ring_pool **ret)
{
	const struct work_queue_env env = {.base = base};
	struct ring_pool *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->done = done;
	p->owner = owner;
	r = work_queue_new(&env, &p->queue);
	if (r < 0) {
		free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct ring_pool *ring_pool_free(struct ring_pool *p)
{
	if (!p)
		return NULL;
	work_queue_free(p->queue);
	free(p);
	return NULL;
}

int ring_pool_request(struct ring_pool *p, uint32_t output, uint64_t generation,
		      uint64_t data_bytes)
{
	struct order *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	*o = (struct order){.work = {.run = order_run, .done = order_done, .drop = order_drop},
			    .pool = p,
			    .output = output,
			    .generation = generation,
			    .data_bytes = data_bytes,
			    .fd = -1};
	work_queue_post(p->queue, &o->work);
	return 0;
}
