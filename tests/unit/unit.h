/* unit.h - what a unit test is written with: Test(), TestSuite() and the assertions.
 *
 *	Test(text, copy_fits) { cr_assert_eq(text_copy(...), 0); }
 *
 * Each test runs in a process of its own, forked from the program, so whatever it changes or breaks
 * ends with it.  (Criterion, whose names these are, starts the program anew for each test, which
 * under AddressSanitizer costs more than the tests do.)  A test passes if it reaches its end with
 * all assertions true and, under AddressSanitizer, with no memory leaked.
 *
 * cr_assert*() ends the test where it fails, cr_expect*() lets it go on.  Both take a message in
 * printf's format behind their own arguments, a literal.  In a process that the test has forked
 * cr_assert*() ends that process with exit code 1.
 */
#ifndef AMPS_TEST_UNIT_H
#define AMPS_TEST_UNIT_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What Test(suite, name, ...) and TestSuite(suite, ...) take behind the names; a test has what it
 * does not say itself from its suite. */
struct unit_options {
	void (*init)(void); /* before the test */
	void (*fini)(void); /* after it, also after a failure */
	int signal;	    /* the test must end by this signal, and passes if it does */
	unsigned timeout;   /* seconds; UNIT_TIMEOUT_S by default */
};

struct unit_test {
	const char *suite;
	const char *name; /* NULL: these are the options of the suite */
	void (*body)(void);
	struct unit_options options;
	struct unit_test *next;
};

enum { UNIT_TIMEOUT_S = 250 };

#define Test(suite_, name_, ...)                                                                   \
	static void suite_##_##name_##_body(void);                                                 \
	UNIT_ADD(suite_##_##name_, .suite = #suite_, .name = #name_,                               \
		 .body = suite_##_##name_##_body, .options = {__VA_ARGS__})                        \
	static void suite_##_##name_##_body(void)

#define TestSuite(suite_, ...)                                                                     \
	UNIT_ADD(suite_##_options, .suite = #suite_, .options = {__VA_ARGS__})                     \
	extern int unit_needs_a_semicolon

#define UNIT_ADD(id, ...)                                                                          \
	static struct unit_test id##_test = {__VA_ARGS__};                                         \
	__attribute__((constructor)) static void id##_add(void)                                    \
	{                                                                                          \
		unit_add(&id##_test);                                                              \
	}

/* Adds a test, before main(); it must stay. */
void unit_add(struct unit_test *test);

/* Notes a failure of the running test, with its place, the assertion and the message. */
void unit_failed(const char *file, int line, const char *text, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Ends the running test, or the process that it has forked. */
_Noreturn void unit_end(void);

/* Ends the running test as skipped, for this reason. */
_Noreturn void cr_skip_test(const char *reason);

/* True if both are strings and alike; prints both if not. */
bool unit_same(const char *a, const char *b);

/* True if a and b differ by at most `by`. */
bool unit_near(double a, double b, double by);

/* The message begins with a blank because no format may be empty. */
#define UNIT_EXPECT(good, text, ...)                                                               \
	((good) ? (void)0 : unit_failed(__FILE__, __LINE__, text, " " __VA_ARGS__))
#define UNIT_ASSERT(good, text, ...)                                                               \
	((good) ? (void)0 : (unit_failed(__FILE__, __LINE__, text, " " __VA_ARGS__), unit_end()))

#define cr_assert(a, ...)	     UNIT_ASSERT(a, #a, __VA_ARGS__)
#define cr_assert_not(a, ...)	     UNIT_ASSERT(!(a), "!(" #a ")", __VA_ARGS__)
#define cr_assert_null(a, ...)	     UNIT_ASSERT((a) == NULL, #a " == NULL", __VA_ARGS__)
#define cr_assert_not_null(a, ...)   UNIT_ASSERT((a) != NULL, #a " != NULL", __VA_ARGS__)
#define cr_assert_eq(a, b, ...)	     UNIT_ASSERT((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...)     UNIT_ASSERT((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...)	     UNIT_ASSERT((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...)     UNIT_ASSERT((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...)	     UNIT_ASSERT((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...)     UNIT_ASSERT((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)  UNIT_ASSERT(unit_same(a, b), #a " is " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) UNIT_ASSERT(strcmp(a, b) != 0, #a " is not " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, size, ...)                                                          \
	UNIT_ASSERT(memcmp(a, b, size) == 0, #a " is " #b, __VA_ARGS__)
#define cr_assert_float_eq(a, b, by, ...)                                                          \
	UNIT_ASSERT(unit_near(a, b, by), #a " is about " #b, __VA_ARGS__)
#define cr_assert_fail(...) UNIT_ASSERT(false, "failed", __VA_ARGS__)

#define cr_expect(a, ...)	     UNIT_EXPECT(a, #a, __VA_ARGS__)
#define cr_expect_not(a, ...)	     UNIT_EXPECT(!(a), "!(" #a ")", __VA_ARGS__)
#define cr_expect_null(a, ...)	     UNIT_EXPECT((a) == NULL, #a " == NULL", __VA_ARGS__)
#define cr_expect_not_null(a, ...)   UNIT_EXPECT((a) != NULL, #a " != NULL", __VA_ARGS__)
#define cr_expect_eq(a, b, ...)	     UNIT_EXPECT((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...)     UNIT_EXPECT((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...)	     UNIT_EXPECT((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...)     UNIT_EXPECT((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...)	     UNIT_EXPECT((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...)     UNIT_EXPECT((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)  UNIT_EXPECT(unit_same(a, b), #a " is " #b, __VA_ARGS__)
#define cr_expect_str_neq(a, b, ...) UNIT_EXPECT(strcmp(a, b) != 0, #a " is not " #b, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, size, ...)                                                          \
	UNIT_EXPECT(memcmp(a, b, size) == 0, #a " is " #b, __VA_ARGS__)
#define cr_expect_float_eq(a, b, by, ...)                                                          \
	UNIT_EXPECT(unit_near(a, b, by), #a " is about " #b, __VA_ARGS__)

#endif
