#include "amps-master/util/backoff.h"
#include "unit.h"

Test(backoff, first_restart_is_immediate)
{
	struct backoff b;

	backoff_init(&b, 20, 5000);
	cr_assert_eq(backoff_next_ms(&b, true), 0);
}

Test(backoff, young_deaths_double_the_delay_up_to_the_maximum)
{
	static const uint32_t expected[] = {0, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000};
	struct backoff b;

	backoff_init(&b, 20, 5000);
	for (size_t i = 0; i < array_size(expected); i++)
		cr_assert_eq(backoff_next_ms(&b, true), expected[i], "death %zu", i);
}

Test(backoff, a_long_life_resets_the_delay)
{
	struct backoff b;

	backoff_init(&b, 20, 5000);
	for (int i = 0; i < 5; i++)
		backoff_next_ms(&b, true);
	cr_assert_eq(backoff_next_ms(&b, false), 0);
	cr_assert_eq(backoff_next_ms(&b, true), 20);
}

Test(fork_brake, limits_the_forks_in_any_second)
{
	struct fork_brake f = {0};
	uint64_t now = 1000;

	for (int i = 0; i < FORKS_PER_SECOND_MAX; i++, now += 10) {
		cr_assert_eq(fork_brake_wait_us(&f, now), 0, "fork %d", i);
		fork_brake_record(&f, now);
	}
	cr_assert_eq(fork_brake_wait_us(&f, now), 1001000 - now);
	cr_assert_eq(fork_brake_wait_us(&f, 1000999), 1);
	cr_assert_eq(fork_brake_wait_us(&f, 1001000), 0);
	fork_brake_record(&f, 1001000);
	cr_assert_eq(fork_brake_wait_us(&f, 1001000), 10, "the next oldest counts");
}
