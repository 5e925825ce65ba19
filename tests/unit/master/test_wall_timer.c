#include <sys/timex.h>
#include "amps-master/util/wall_timer.h"
#include "common/clock.h"
#include "skip.h"
#include "unit.h"

static unsigned fired;

static void note(void *owner)
{
	fired++;
	event_base_loopbreak(owner);
}

Test(wall_timer, fires_once_when_its_time_has_come)
{
	struct event_base *base = event_base_new();
	struct wall_timer *t;
	int64_t at = clock_wall_us() + 50000;

	cr_assert_eq(wall_timer_new(base, note, base, &t), 0);
	wall_timer_set(t, at);
	event_base_dispatch(base);
	cr_expect_geq(clock_wall_us(), at);
	cr_expect_eq(fired, 1);
	event_base_loop(base, EVLOOP_NONBLOCK);
	cr_expect_eq(fired, 1);
	wall_timer_free(t);
	event_base_free(base);
}

Test(wall_timer, a_past_time_fires_at_once_and_none_never)
{
	struct event_base *base = event_base_new();
	struct timeval soon = {.tv_usec = 100000};
	struct wall_timer *t;

	cr_assert_eq(wall_timer_new(base, note, base, &t), 0);
	wall_timer_set(t, -5);
	event_base_dispatch(base);
	cr_expect_eq(fired, 1);
	wall_timer_set(t, clock_wall_us() + 20000);
	wall_timer_set(t, TIME_NONE);
	event_base_loopexit(base, &soon);
	event_base_dispatch(base);
	cr_expect_eq(fired, 1);
	cr_expect_null(wall_timer_free(t));
	cr_expect_null(wall_timer_free(NULL));
	event_base_free(base);
}

/* By a nanosecond; false without the right to. */
static bool set_clock(void)
{
	struct timex t = {.modes = ADJ_SETOFFSET | ADJ_NANO, .time = {0, 1}};

	return adjtimex(&t) >= 0;
}

/* What was over can be ahead again, and what was ahead over: the owner has to look. */
Test(wall_timer, a_clock_set_back_was_not_noticed)
{
	struct event_base *base = event_base_new();
	const int64_t times[] = {TIME_NONE, clock_wall_us() + 3600000000};
	struct wall_timer *t;

	cr_assert_eq(wall_timer_new(base, note, base, &t), 0);
	for (unsigned i = 0; i < 2; i++) {
		wall_timer_set(t, times[i]);
		if (!set_clock())
			skip_kernel("no right to set the clock");
		event_base_dispatch(base);
		cr_expect_eq(fired, i + 1);
	}
	wall_timer_free(t);
	event_base_free(base);
}
