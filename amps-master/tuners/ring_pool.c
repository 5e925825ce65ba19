/* ring_pool.c - see ring_pool.h */
#include "amps-master/tuners/ring_pool.h"

#include <sys/eventfd.h>
#include <sys/queue.h>

#include "amps-master/util/thread.h"
#include "common/shm/ring.h"

struct request {
	STAILQ_ENTRY(request) link;
	uint32_t output;
	uint64_t generation;
	uint64_t data_bytes;
	int fd; /* the answer */
};

STAILQ_HEAD(queue, request);

struct ring_pool {
	pthread_t thread;
	pthread_mutex_t lock; /* asked, answered, stop */
	pthread_cond_t more;
	struct queue asked, answered;
	bool stop;
	int bell; /* eventfd: something was answered */
	struct event *event;
	ring_pool_done_fn done;
	void *owner;
};

/* NULL when it is empty. */
static struct request *queue_take(struct queue *q)
{
	struct request *r = STAILQ_FIRST(q);

	if (r)
		STAILQ_REMOVE_HEAD(q, link);
	return r;
}

static void queue_drop(struct queue *q)
{
	struct request *r;

	while ((r = queue_take(q))) {
		close_fd(&r->fd);
		free(r);
	}
}

static void *work(void *arg)
{
	struct ring_pool *p = arg;
	struct request *r;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		r = queue_take(&p->asked);
		if (!r) {
			pthread_cond_wait(&p->more, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		r->fd = ring_create("amps-ring", r->data_bytes, r->generation);
		pthread_mutex_lock(&p->lock);
		STAILQ_INSERT_TAIL(&p->answered, r, link);
		eventfd_write(p->bell, 1);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void on_bell(evutil_socket_t fd, short what, void *arg)
{
	struct ring_pool *p = arg;
	struct request *r;
	eventfd_t count;

	(void)what;
	eventfd_read(fd, &count);
	for (;;) {
		pthread_mutex_lock(&p->lock);
		r = queue_take(&p->answered);
		pthread_mutex_unlock(&p->lock);
		if (!r)
			return;
		p->done(p->owner, r->output, r->generation, r->fd);
		free(r);
	}
}

int ring_pool_new(struct event_base *base, ring_pool_done_fn done, void *owner,
		  struct ring_pool **ret)
{
	struct ring_pool *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	STAILQ_INIT(&p->asked);
	STAILQ_INIT(&p->answered);
	p->done = done;
	p->owner = owner;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->event = p->bell < 0 ? NULL : event_new(base, p->bell, EV_READ | EV_PERSIST, on_bell, p);
	r = p->event && event_add(p->event, NULL) == 0 ? thread_start(work, p, &p->thread)
						       : -ENOMEM;
	if (r < 0) {
		p->stop = true; /* no thread to join */
		ring_pool_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct ring_pool *ring_pool_free(struct ring_pool *p)
{
	if (!p)
		return NULL;
	if (!p->stop) {
		pthread_mutex_lock(&p->lock);
		p->stop = true;
		pthread_cond_signal(&p->more);
		pthread_mutex_unlock(&p->lock);
		pthread_join(p->thread, NULL);
	}
	queue_drop(&p->asked);
	queue_drop(&p->answered);
	if (p->event)
		event_free(p->event);
	close_fd(&p->bell);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

int ring_pool_request(struct ring_pool *p, uint32_t output, uint64_t generation,
		      uint64_t data_bytes)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	*r = (struct request){
		.output = output, .generation = generation, .data_bytes = data_bytes, .fd = -1};
	pthread_mutex_lock(&p->lock);
	STAILQ_INSERT_TAIL(&p->asked, r, link);
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
	return 0;
}
