/* fake_clock.h - the monotonic clock of a program whose only wait is libevent's loop: when nothing
 * comes for FAKE_CLOCK_IDLE_MS, the clock jumps to the loop's next timer.
 *
 * Replaces functions of libc in the whole program, so libevent has the same clock.  For the file of
 * a test that waits for neither a thread nor another process with a timer of its own. */
#ifndef AMPS_TEST_FAKE_CLOCK_H
#define AMPS_TEST_FAKE_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FAKE_CLOCK_IDLE_MS 1

static _Atomic uint64_t fake_clock_ahead_ms;
static bool fake_clock_stopped; /* idle time is waited for */

static inline void fake_clock_pass(unsigned ms)
{
	atomic_fetch_add(&fake_clock_ahead_ms, ms);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, id, t);
	uint64_t ahead_ms = atomic_load(&fake_clock_ahead_ms);

	if (r == 0 && (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE)) {
		t->tv_nsec += (long)(ahead_ms % 1000) * 1000000;
		t->tv_sec += (time_t)(ahead_ms / 1000) + t->tv_nsec / 1000000000;
		t->tv_nsec %= 1000000000;
	}
	return r;
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
	bool jumps = !fake_clock_stopped && timeout_ms > FAKE_CLOCK_IDLE_MS;
	int wait_ms = jumps ? FAKE_CLOCK_IDLE_MS : timeout_ms;
	int n = (int)syscall(SYS_epoll_pwait, fd, events, count, wait_ms, NULL, 0);

	if (n == 0 && jumps)
		atomic_fetch_add(&fake_clock_ahead_ms, (uint64_t)(timeout_ms - wait_ms));
	return n;
}

#endif
