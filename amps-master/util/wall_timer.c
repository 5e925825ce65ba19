#include "amps-master/util/wall_timer.h"

#include <assert.h>
#include <sys/timerfd.h>
#include "common/clock.h"

struct wall_timer {
	struct event *event;
	int fd;
	int64_t wall_us; /* TIME_NONE: not armed */
	void (*fire)(void *owner);
	void *owner;
};

/* TFD_TIMER_CANCEL_ON_SET wakes the timer whenever the clock is set, even while it is not armed. */
static void arm(struct wall_timer *t)
{
	struct itimerspec when = {0};

	if (t->wall_us != TIME_NONE) {
		int64_t at = MAX(t->wall_us, (int64_t)1);

		when.it_value.tv_sec = at / 1000000;
		when.it_value.tv_nsec = at % 1000000 * 1000;
	}
	timerfd_settime(t->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL);
}

static void on_timer(int fd, short what, void *arg)
{
	struct wall_timer *t = arg;
	uint64_t expirations;
	bool clock_set = false;

	(void)what;
	if (read(fd, &expirations, sizeof(expirations)) < 0) {
		if (errno != ECANCELED)
			return;
		clock_set = true;
	}
	if (!clock_set && t->wall_us == TIME_NONE)
		return;
	if (!clock_set && clock_wall_us() < t->wall_us) {
		arm(t);
		return;
	}
	t->wall_us = TIME_NONE;
	t->fire(t->owner);
}

int wall_timer_new(struct event_base *base, void (*fire)(void *owner), void *owner,
		   struct wall_timer **ret)
{
	struct wall_timer *t = calloc(1, sizeof(*t));

	assert(fire);
	if (!t)
		return -ENOMEM;
	*t = (struct wall_timer){.fd = -1, .wall_us = TIME_NONE, .fire = fire, .owner = owner};
	t->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (t->fd >= 0)
		t->event = event_new(base, t->fd, EV_READ | EV_PERSIST, on_timer, t);
	if (!t->event || event_add(t->event, NULL) != 0) {
		wall_timer_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

struct wall_timer *wall_timer_free(struct wall_timer *t)
{
	if (!t)
		return NULL;
	if (t->event)
		event_free(t->event);
	close_fd(&t->fd);
	free(t);
	return NULL;
}

void wall_timer_set(struct wall_timer *t, int64_t wall_us)
{
	t->wall_us = wall_us;
	arm(t);
}
