/* work_queue.h - a thread that runs blocking work outside the master's loop and returns each answer
 * to the loop.
 *
 * Owned by the loop's thread.  Work is done in the order it was posted; its answers come back in
 * that order, one in each turn of the loop. */
#ifndef AMPS_WORK_QUEUE_H
#define AMPS_WORK_QUEUE_H

#include <event2/event.h>
#include <sys/queue.h>
#include "common/base.h"

/* The first member of the caller's structure, which holds the question and the answer. */
struct work {
	STAILQ_ENTRY(work) link;
	void (*run)(struct work *w);  /* in the thread; may block */
	void (*done)(struct work *w); /* in the loop, after run(); frees w; may free the queue */
	void (*drop)(struct work *w); /* instead of done(), when the queue is freed; frees w */
};

struct work_queue;

struct work_queue_env {
	struct event_base *base;
	void *owner;
	/* Both in the thread, both may be NULL. */
	void (*idle)(void *owner);  /* nothing was posted for idle_seconds */
	void (*after)(void *owner); /* an answer was sent to the loop */
	unsigned idle_seconds;
};

/* 0, -ENOMEM, or -Exxx when the thread cannot be created. */
must_check int work_queue_new(const struct work_queue_env *env, struct work_queue **ret);
/* Waits for the work that is running and drops the rest.  Returns NULL; accepts NULL. */
struct work_queue *work_queue_free(struct work_queue *q);

/* In the thread, from run(): takes the work that was posted next, if `joins` says so, out of the
 * queue; it is the caller's.  NULL: there is none. */
struct work *work_queue_take(struct work_queue *q, bool (*joins)(const struct work *w));

/* Takes w. */
void work_queue_post(struct work_queue *q, struct work *w);

#endif
