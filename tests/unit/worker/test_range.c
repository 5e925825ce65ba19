#include "amps-worker/http/range.h"
#include "unit.h"
#include <string.h>

static enum range_verdict parse(const char *field, uint64_t size, uint64_t *first, uint64_t *length)
{
	return range_parse((struct span){field, field ? strlen(field) : 0}, size, first, length);
}

static void expect_part(const char *field, uint64_t size, uint64_t first, uint64_t length)
{
	uint64_t f = 77, n = 77;

	cr_expect_eq(parse(field, size, &f, &n), RANGE_PART, "%s", field);
	cr_expect(f == first && n == length, "%s: %llu+%llu", field, (unsigned long long)f,
		  (unsigned long long)n);
}

static void expect_other(const char *field, uint64_t size, enum range_verdict verdict)
{
	uint64_t f, n;

	cr_expect_eq(parse(field, size, &f, &n), verdict, "%s", field ? field : "(none)");
}

Test(range, one_part_of_a_file)
{
	expect_part("bytes=0-0", 100, 0, 1);
	expect_part("bytes=0-99", 100, 0, 100);
	expect_part("bytes=0-100", 100, 0, 100);
	expect_part("bytes=10-19", 100, 10, 10);
	expect_part("bytes=99-", 100, 99, 1);
	expect_part("Bytes= 5-6 ", 100, 5, 2);
	expect_part("bytes=-1", 100, 99, 1);
	expect_part("bytes=-100", 100, 0, 100);
	expect_part("bytes=-101", 100, 0, 100);
	expect_part("bytes=0-18446744073709551615", 100, 0, 100);
}

Test(range, beyond_the_end_is_unsatisfiable)
{
	expect_other("bytes=100-", 100, RANGE_UNSATISFIABLE);
	expect_other("bytes=100-200", 100, RANGE_UNSATISFIABLE);
	expect_other("bytes=-0", 100, RANGE_UNSATISFIABLE);
	expect_other("bytes=0-", 0, RANGE_UNSATISFIABLE);
	expect_other("bytes=-5", 0, RANGE_UNSATISFIABLE);
}

Test(range, what_is_no_single_range_is_ignored)
{
	static const char *const fields[] = {
		NULL,
		"",
		"bytes",
		"bytes=",
		"bytes=-",
		"bytes=a-b",
		"bytes=1",
		"bytes=2-1",
		"bytes=1-2x",
		"lines=0-1",
		"bytes=0-1,5-6",
		"bytes 0-1",
		"bytes=--1",
		"bytes=+1-2",
		"bytes=0x1-2",
		"bytes=1 - 2",
		"bytes=18446744073709551616-",
	};

	for (size_t i = 0; i < array_size(fields); i++)
		expect_other(fields[i], 100, RANGE_WHOLE);
}

Test(range, if_range_compares_strong_tags)
{
	cr_assert(range_allowed((struct span){0}, "\"a\""));
	cr_assert(range_allowed((struct span){"\"a\"", 3}, "\"a\""));
	cr_assert_not(range_allowed((struct span){"\"b\"", 3}, "\"a\""));
	cr_assert_not(range_allowed((struct span){"W/\"a\"", 5}, "\"a\""));
	cr_assert_not(range_allowed((struct span){"Sat, 29 Oct 1994 19:43:31 GMT", 29}, "\"a\""));
}
