/* worker_world.h - a worker that is ready, and its master's end. */
#ifndef WORKER_WORLD_H
#define WORKER_WORLD_H

#include "unit.h"
#include "amps-worker/worker.h"
#include "worker/fake_master.h"

struct world {
	struct fake_master master;
	struct worker worker;
};

static inline void turn(struct world *x)
{
	event_base_loop(x->worker.context.base, EVLOOP_NONBLOCK);
}

static inline void open_world(struct world *x)
{
	memset(x, 0, sizeof(*x));
	fm_open(&x->master, &(struct fm_settings){.start_timeout_ms = 5000}, 0);
	cr_assert_eq(worker_init(&x->worker, x->master.worker_end, NULL), 0);
	while (!x->worker.ready)
		turn(x);
}

static inline void close_world(struct world *x)
{
	worker_done(&x->worker);
	fm_close(&x->master);
}

#endif
