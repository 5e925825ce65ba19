#include "unit.h"
#include <fcntl.h>
#include <stdio.h>

#include "amps-master/system/discontinuities.h"

#define HOUR_US 3600000000ull
#define WALL	1800000000000000ll /* 2027-01-15 */
#define HOURS	17864u		   /* since 2025 */

static char folder[64];
static struct discontinuities d;

static void start(uint64_t now_us)
{
	cr_assert_eq(discontinuities_open(&d, folder, WALL, now_us), 0);
}

static void begin(void)
{
	strcpy(folder, "/tmp/amps-test-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	start(0);
}

static void end(void)
{
	unlink(d.path);
	cr_expect_eq(rmdir(folder), 0, "files are left");
}

Test(discontinuities, begin_small_and_grow_with_each_hour)
{
	begin();
	cr_expect_eq(discontinuities_first(&d, 0), HOURS);
	cr_expect_eq(discontinuities_first(&d, HOUR_US - 1), HOURS);
	cr_expect_eq(discontinuities_first(&d, 3 * HOUR_US), HOURS + 3);
	end();
}

Test(discontinuities, never_go_back_over_a_start)
{
	uint32_t reached;

	begin();
	for (int i = 0; i < 10; i++) {
		reached = discontinuities_first(&d, 0) + 300;
		for (uint32_t n = discontinuities_first(&d, 0); n <= reached; n++)
			discontinuities_reached(&d, n);
		start(0);
		cr_assert_gt(discontinuities_first(&d, 0), reached);
	}
	end();
}

Test(discontinuities, a_start_that_used_none_costs_a_step_only)
{
	uint32_t first;

	begin();
	first = d.first;
	start(0);
	cr_expect_gt(d.first, first);
	cr_expect_leq(d.first, first + 64);
	end();
}

Test(discontinuities, a_false_report_uses_few_numbers)
{
	uint32_t first;

	begin();
	first = d.first;
	for (int i = 0; i < 10000; i++)
		discontinuities_reached(&d, UINT32_MAX - 100);
	start(0);
	cr_expect_leq(d.first, first + 65536 + 64);
	end();
}

Test(discontinuities, a_damaged_file_is_made_anew)
{
	int fd;

	begin();
	fd = open(d.path, O_WRONLY | O_TRUNC);
	cr_assert_eq(write(fd, "12x\n", 4), 4);
	close(fd);
	start(0);
	cr_expect_eq(d.first, HOURS);
	end();
}

Test(discontinuities, a_file_that_cannot_be_read_is_an_error)
{
	begin();
	unlink(d.path);
	cr_assert_eq(symlink("/etc/passwd", d.path), 0);
	cr_expect_eq(discontinuities_open(&d, folder, WALL, 0), -ELOOP);
	end();
}
