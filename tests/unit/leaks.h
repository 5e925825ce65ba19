/* leaks.h - a leaking test must fail.  Criterion with AddressSanitizer lets one pass, so every test
 * that owns memory ends with assert_no_leaks(). */
#ifndef AMPS_TEST_LEAKS_H
#define AMPS_TEST_LEAKS_H

#ifdef AMPS_SANITIZED
int __lsan_do_recoverable_leak_check(void);
#if defined(__SANITIZE_ADDRESS__)
#define assert_no_leaks() cr_assert_eq(__lsan_do_recoverable_leak_check(), 0)
#else
#define assert_no_leaks() ((void)0)
#endif
#else
#define assert_no_leaks() ((void)0)
#endif

#endif
