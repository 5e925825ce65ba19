/* leaks.h - a test that leaks fails.  The compiler includes this file before each unit test: it
 * redefines Criterion's Test() so that every body is followed by LeakSanitizer's check.  Criterion
 * alone lets a leaking test pass, as its test processes do not reach the check at exit. */
#ifndef AMPS_TEST_LEAKS_H
#define AMPS_TEST_LEAKS_H

#include <criterion/criterion.h>

#ifdef __SANITIZE_ADDRESS__
int __lsan_do_recoverable_leak_check(void);
#define assert_no_leaks() cr_assert_eq(__lsan_do_recoverable_leak_check(), 0)

#undef Test
#define Test(...) CR_EXPAND(LEAK_CHECKED_TEST(__VA_ARGS__, .sentinel_ = 0))
#define LEAK_CHECKED_TEST(suite, name, ...)        \
	static void suite##_##name##_body(void);   \
	CR_TEST_BASE(suite, name, __VA_ARGS__)     \
	{                                          \
		suite##_##name##_body();           \
		assert_no_leaks();                 \
	}                                          \
	static void suite##_##name##_body(void)
#else
#define assert_no_leaks() ((void)0)
#endif

#endif
