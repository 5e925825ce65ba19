#include "amps-master/util/work_queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include "unit.h"

struct step {
	struct work work;
	struct fixture *f;
	unsigned number;
	pthread_t ran_in;
};

struct fixture {
	struct event_base *base;
	struct work_queue *queue;
	unsigned done, dropped;
	unsigned order[8];
	bool close_in_done;
	pthread_t ran_in;
	_Atomic unsigned idles, afters;
};

static void step_run(struct work *w)
{
	((struct step *)w)->ran_in = pthread_self();
}

static void step_done(struct work *w)
{
	struct step *s = (struct step *)w;

	s->f->order[s->f->done++] = s->number;
	s->f->ran_in = s->ran_in;
	if (s->f->close_in_done)
		s->f->queue = work_queue_free(s->f->queue);
	free(s);
}

static void step_drop(struct work *w)
{
	((struct step *)w)->f->dropped++;
	free(w);
}

static void post(struct fixture *f, unsigned number)
{
	struct step *s = calloc(1, sizeof(*s));

	cr_assert_not_null(s);
	*s = (struct step){.work = {.run = step_run, .done = step_done, .drop = step_drop},
			   .f = f,
			   .number = number};
	work_queue_post(f->queue, &s->work);
}

static void on_idle(void *owner)
{
	atomic_fetch_add(&((struct fixture *)owner)->idles, 1);
}

static void on_after(void *owner)
{
	atomic_fetch_add(&((struct fixture *)owner)->afters, 1);
}

static void begin(struct fixture *f)
{
	*f = (struct fixture){.base = event_base_new()};
	const struct work_queue_env env = {
		.base = f->base, .owner = f, .idle = on_idle, .idle_seconds = 1, .after = on_after};

	cr_assert_eq(work_queue_new(&env, &f->queue), 0);
}

static void end(struct fixture *f)
{
	work_queue_free(f->queue);
	event_base_free(f->base);
}

Test(work_queue, answers_come_back_in_order_in_the_loop)
{
	struct fixture f;

	begin(&f);
	for (unsigned i = 0; i < array_size(f.order); i++)
		post(&f, i);
	cr_assert_eq(f.done, 0);
	while (f.done < array_size(f.order))
		event_base_loop(f.base, EVLOOP_ONCE);
	for (unsigned i = 0; i < array_size(f.order); i++)
		cr_assert_eq(f.order[i], i);
	cr_assert_not(pthread_equal(f.ran_in, pthread_self()));
	end(&f);
	cr_assert_eq(atomic_load(&f.afters), array_size(f.order));
	cr_assert_eq(f.dropped, 0);
}

Test(work_queue, work_without_a_delivered_answer_is_dropped_when_the_queue_is_freed)
{
	struct fixture f;

	begin(&f);
	post(&f, 0);
	post(&f, 1);
	end(&f);
	cr_assert_eq(f.done, 0);
	cr_assert_eq(f.dropped, 2);
}

Test(work_queue, the_receiver_of_an_answer_may_free_the_queue)
{
	struct fixture f;

	begin(&f);
	f.close_in_done = true;
	post(&f, 0);
	post(&f, 1);
	while (f.done == 0)
		event_base_loop(f.base, EVLOOP_ONCE);
	cr_assert_null(f.queue);
	cr_assert_eq(f.dropped, 1);
	end(&f);
}

Test(work_queue, the_thread_reports_that_nothing_was_posted)
{
	struct fixture f;

	begin(&f);
	for (unsigned i = 0; i < 1000 && atomic_load(&f.idles) == 0; i++)
		usleep(10000);
	cr_assert_gt(atomic_load(&f.idles), 0u);
	end(&f);
}
