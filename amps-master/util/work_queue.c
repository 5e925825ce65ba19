#include "amps-master/util/work_queue.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

STAILQ_HEAD(works, work);

struct work_queue {
	struct work_queue_env env;
	struct event *event; /* an answer is ready */
	int bell;	     /* the eventfd that it watches */
	pthread_t thread;
	bool started;

	/* under the lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct works asked, answered;
	bool stop;
};

/* NULL when it is empty. */
static struct work *works_take(struct works *list)
{
	struct work *w = STAILQ_FIRST(list);

	if (w)
		STAILQ_REMOVE_HEAD(list, link);
	return w;
}

/* Called with the lock held; releases it while waiting.  True if nothing was posted for
 * idle_seconds. */
static bool wait_for_work(struct work_queue *q)
{
	struct timespec until;

	if (!q->env.idle) {
		pthread_cond_wait(&q->wake, &q->lock);
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += q->env.idle_seconds;
	while (STAILQ_EMPTY(&q->asked) && !q->stop)
		if (pthread_cond_timedwait(&q->wake, &q->lock, &until) != 0)
			return STAILQ_EMPTY(&q->asked) && !q->stop;
	return false;
}

static void *work_queue_run(void *arg)
{
	struct work_queue *q = arg;

	pthread_mutex_lock(&q->lock);
	while (!q->stop) {
		struct work *w = works_take(&q->asked);
		void (*then)(void *owner) = q->env.after;

		if (!w && !wait_for_work(q))
			continue;
		if (w) {
			pthread_mutex_unlock(&q->lock);
			w->run(w);
			pthread_mutex_lock(&q->lock);
			STAILQ_INSERT_TAIL(&q->answered, w, link);
			eventfd_write(q->bell, 1);
		} else {
			then = q->env.idle;
		}
		if (then) {
			pthread_mutex_unlock(&q->lock);
			then(q->env.owner);
			pthread_mutex_lock(&q->lock);
		}
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static void on_bell(evutil_socket_t fd, short what, void *arg)
{
	struct work_queue *q = arg;
	struct work *w;
	eventfd_t count;

	(void)what;
	eventfd_read(fd, &count);
	pthread_mutex_lock(&q->lock);
	w = works_take(&q->answered);
	if (!STAILQ_EMPTY(&q->answered))
		event_active(q->event, EV_READ, 0);
	pthread_mutex_unlock(&q->lock);
	/* done() may free q */
	if (w)
		w->done(w);
}

/* The thread blocks all signals: the loop's thread handles them, and a signal would interrupt this
 * thread's system calls. */
static int start(struct work_queue *q)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&q->thread, NULL, work_queue_run, q);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	q->started = error == 0;
	return -error;
}

int work_queue_new(const struct work_queue_env *env, struct work_queue **ret)
{
	struct work_queue *q = calloc(1, sizeof(*q));
	pthread_condattr_t monotonic;
	int r = -ENOMEM;

	assert(!env->idle || env->idle_seconds > 0);
	if (!q)
		return -ENOMEM;
	q->env = *env;
	STAILQ_INIT(&q->asked);
	STAILQ_INIT(&q->answered);
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&q->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	q->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->bell >= 0)
		q->event = event_new(env->base, q->bell, EV_READ | EV_PERSIST, on_bell, q);
	if (q->event && event_add(q->event, NULL) == 0)
		r = start(q);
	if (r < 0) {
		work_queue_free(q);
		return r;
	}
	*ret = q;
	return 0;
}

struct work_queue *work_queue_free(struct work_queue *q)
{
	struct work *w;

	if (!q)
		return NULL;
	pthread_mutex_lock(&q->lock);
	q->stop = true;
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
	if (q->started)
		pthread_join(q->thread, NULL);
	while ((w = works_take(&q->asked)) || (w = works_take(&q->answered)))
		w->drop(w);
	if (q->event)
		event_free(q->event);
	close_fd(&q->bell);
	pthread_cond_destroy(&q->wake);
	pthread_mutex_destroy(&q->lock);
	free(q);
	return NULL;
}

struct work *work_queue_take(struct work_queue *q, bool (*joins)(const struct work *w))
{
	struct work *w;

	pthread_mutex_lock(&q->lock);
	w = STAILQ_FIRST(&q->asked);
	w = w && joins(w) ? works_take(&q->asked) : NULL;
	pthread_mutex_unlock(&q->lock);
	return w;
}

void work_queue_post(struct work_queue *q, struct work *w)
{
	assert(w->run && w->done && w->drop);
	pthread_mutex_lock(&q->lock);
	STAILQ_INSERT_TAIL(&q->asked, w, link);
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
}
