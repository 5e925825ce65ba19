/* unit.h - Criterion, and a test that leaks fails.  Test() is redefined so that every body is
 * followed by LeakSanitizer's check.  Criterion alone lets a leaking test pass, because its test
 * processes do not reach the check at exit. */
#ifndef AMPS_TEST_UNIT_H
#define AMPS_TEST_UNIT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
int __lsan_do_recoverable_leak_check(void);

#undef Test
#define Test(...) CR_EXPAND(LEAK_CHECKED_TEST(__VA_ARGS__, .sentinel_ = 0))
#define LEAK_CHECKED_TEST(suite, name, ...)                                                        \
	static void suite##_##name##_body(void);                                                   \
	CR_TEST_BASE(suite, name, __VA_ARGS__)                                                     \
	{                                                                                          \
		suite##_##name##_body();                                                           \
		cr_assert_eq(__lsan_do_recoverable_leak_check(), 0);                               \
	}                                                                                          \
	static void suite##_##name##_body(void)
#endif

#endif
