/* test_base.c - clocks, times, buffers and sealed memory. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include "unit.h"

#include "common/text/buf.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/shm/shm.h"

static int64_t parsed(const char *text)
{
	int64_t us = -1;

	cr_assert_eq(time_parse_iso8601(text, &us, NULL), 0, "%s", text);
	return us;
}

Test(clock, common_forms_of_iso8601_are_read)
{
	int64_t noon = 1717243200000000; /* 2024-06-01T12:00:00Z */
	int64_t us;
	bool zoned;

	cr_assert_eq(parsed("2024-06-01T12:00:00Z"), noon);
	cr_assert_eq(parsed("2024-06-01 12:00:00Z"), noon);
	cr_assert_eq(parsed("2024-06-01T12:00Z"), noon);
	cr_assert_eq(parsed("2024-06-01T14:00:00+02:00"), noon);
	cr_assert_eq(parsed("2024-06-01T14:00:00+0200"), noon);
	cr_assert_eq(parsed("2024-06-01 14:00:00 +02"), noon);
	cr_assert_eq(parsed("2024-06-01T12:00:00.25Z"), noon + 250000);
	cr_assert_eq(parsed("1970-01-01"), 0);
	cr_assert_eq(parsed("1969-12-31T23:59:59Z"), -1000000);
	cr_assert_eq(parsed("2000-02-29"), 951782400000000);
	cr_assert_eq(time_parse_iso8601("2024-06-01T12:00:00", &us, &zoned), 0);
	cr_assert_not(zoned);
	cr_assert_eq(us, noon);
}

Test(clock, invalid_times_are_refused)
{
	static const char *const bad[] = {"",
					  "tomorrow",
					  "2024-13-01",
					  "2024-02-30",
					  "2023-02-29",
					  "1900-02-29",
					  "2024-06-01T",
					  "2024-06-01T25:00:00Z",
					  "2024-06-01T12:60:00Z",
					  "2024-06-01T12:00:00+25:00",
					  "2024-06-01T12:00:00Zjunk",
					  "2024-6-1",
					  "2024-06-01T12:00:00.Z"};
	int64_t us = 42;

	for (size_t i = 0; i < array_size(bad); i++)
		cr_assert_eq(time_parse_iso8601(bad[i], &us, NULL), -EINVAL, "%s", bad[i]);
	cr_assert_eq(us, 42);
}

Test(clock, formats_what_it_parses)
{
	char text[32];

	time_format_iso8601(parsed("2027-01-01T00:00:00Z"), text);
	cr_assert_str_eq(text, "2027-01-01T00:00:00Z");
	time_format_iso8601(-1, text);
	cr_assert_str_eq(text, "1969-12-31T23:59:59Z");
}

Test(buf, grows_and_stays_a_string)
{
	struct buf b = BUF_INIT;

	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	cr_assert(buf_ok(&b));
	cr_assert_eq(strlen(b.data), b.len);
	buf_consume(&b, 2);
	cr_assert_eq(strncmp(b.data, "1,2,", 4), 0);
	buf_reset(&b);
	cr_assert_eq(b.len, 0);
	cr_assert_null(buf_reserve(&b, SIZE_MAX));
	cr_assert_not(buf_ok(&b));
	buf_done(&b);
}

Test(shm, a_snapshot_cannot_be_changed)
{
	int fd = shm_snapshot("test", "hello", 5);

	cr_assert_geq(fd, 0);
	cr_assert_eq(shm_verify(fd, 5, true), 0);
	cr_assert_eq(shm_verify(fd, 6, true), -EINVAL);
	cr_assert_null(shm_map_write(fd, 5));
	cr_assert_lt(write(fd, "x", 1), 0);
	close(fd);
}

Test(shm, a_live_object_is_no_snapshot_and_keeps_its_size)
{
	int fd = shm_create("test", 8192);

	cr_assert_eq(shm_verify(fd, 8192, false), 0);
	cr_assert_eq(shm_verify(fd, 8192, true), -EPERM);
	cr_assert_lt(ftruncate(fd, 4096), 0);
	cr_assert_lt(ftruncate(fd, 16384), 0);
	close(fd);
}

Test(shm, descriptors_of_other_files_are_refused)
{
	int fd = memfd_create("plain", MFD_CLOEXEC);

	cr_assert_eq(shm_verify(fd, 0, false), -EPERM);
	cr_assert_eq(shm_verify(0, 0, false), -EPERM);
	close(fd);
}

/* Reads a pipe empty. */
static void drain(int fd, char *dst, size_t cap)
{
	size_t used = 0;
	ssize_t n;

	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (used + 1 < cap && (n = read(fd, dst + used, cap - 1 - used)) > 0)
		used += (size_t)n;
	dst[used] = '\0';
}

Test(log, lines_that_a_full_pipe_does_not_take_are_dropped_and_counted)
{
	static char page[4096], all[1 << 20];
	int pipe_fds[2], full = 0;

	cr_assert_eq(pipe(pipe_fds), 0);
	cr_assert_eq(fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK), 0);
	while (write(pipe_fds[1], page, sizeof(page)) > 0)
		full++;
	cr_assert_gt(full, 0);
	cr_assert_eq(fcntl(pipe_fds[1], F_SETFL, 0), 0);
	cr_assert_geq(dup2(pipe_fds[1], STDERR_FILENO), 0);
	log_init("test", LOG_INFO, true);
	for (int i = 0; i < 3; i++)
		log_warn("line without a reader");
	drain(pipe_fds[0], all, sizeof(all));
	log_warn("line with a reader");
	log_warn("and this");
	drain(pipe_fds[0], all, sizeof(all));
	cr_assert_null(strstr(all, "without a reader"));
	cr_assert_not_null(strstr(all, "not being read\",\"fields\":{\"lines\":3}}\n{"), "%s", all);
	cr_assert_not_null(strstr(all, "with a reader"));
	cr_assert_not_null(strstr(all, "and this"));
}

Test(log, one_line_for_any_text)
{
	int pipe_fds[2];
	char line[512];
	ssize_t n;

	cr_assert_eq(pipe(pipe_fds), 0);
	cr_assert_geq(dup2(pipe_fds[1], STDERR_FILENO), 0);
	log_init("test", LOG_INFO, false);
	log_debug("not shown");
	log_warn("he said %s name=%s", "evil\nforged", "a\x1b[31m");
	n = read(pipe_fds[0], line, sizeof(line) - 1);
	cr_assert_gt(n, 0);
	line[n] = '\0';
	cr_assert_eq(strchr(line, '\n'), line + n - 1);
	cr_assert_not_null(strstr(line, "he said evil\\x0aforged name=\"a\\x1b[31m\"\n"));
	log_init("test", LOG_INFO, true);
	log_warn("say \"%s\"", "a\\b");
	n = read(pipe_fds[0], line, sizeof(line) - 1);
	line[n] = '\0';
	cr_assert_not_null(strstr(line, "\"message\":\"say \\\"a\\\\b\\\"\",\"fields\":{}}\n"));
}
