/* test_log.c - the log's sink: an unread stderr blocks no process. */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "unit.h"

#include "common/limits.h"
#include "common/log/log.h"

static int other_process = -1; /* writes to this pipe whenever the log has seen room in it */

static void fill(int fd)
{
	char page[4096];

	memset(page, 'x', sizeof(page));
	while (send(fd, page, sizeof(page), MSG_DONTWAIT) > 0)
		;
}

static int own_end(int pipe_end)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", pipe_end);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

static void fill_pipe(void)
{
	char byte = 'x';

	while (write(other_process, &byte, 1) == 1)
		;
}

/* In the place of libc's: another process takes the last free room between poll() and write(). */
int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	int (*real)(struct pollfd *, nfds_t, int);
	int r;

	*(void **)&real = dlsym(RTLD_NEXT, "poll");
	r = real(fds, count, timeout_ms);
	if (r > 0 && other_process >= 0)
		fill_pipe();
	return r;
}

/* What is in it by now, without the filling. */
static const char *drained(int fd)
{
	static char text[1 << 20];
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	return text + strspn(text, "x");
}

static int saved_stderr;

static void stderr_to(int fd)
{
	saved_stderr = dup(STDERR_FILENO);
	cr_assert_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	log_init("test", LOG_INFO, false);
}

static void stderr_back(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	log_init("test", LOG_INFO, false);
}

Test(log, a_pipe_filled_by_another_process_does_not_block)
{
	int ends[2];
	const char *text;

	cr_assert_eq(pipe(ends), 0);
	other_process = own_end(ends[1]);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	stderr_to(ends[1]);
	fill_pipe();
	cr_assert_eq(read(ends[0], (char[8192]){0}, 8192), 8192, "room that poll() shows");
	log_info("first");
	cr_assert_eq(read(ends[0], (char[8192]){0}, 8192), 8192);
	log_info("second");
	cr_assert_not(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, "others share this one");
	close_fd(&other_process);
	drained(ends[0]);
	log_info("third");
	text = drained(ends[0]);
	stderr_back();
	cr_assert(strstr(text, "third"), "%s", text);
	close(ends[0]);
}

Test(log, a_full_socket_does_not_block)
{
	int ends[2];
	const char *text;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	fill(ends[1]);
	stderr_to(ends[1]);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	log_info("dropped");
	drained(ends[0]);
	log_info("written");
	text = drained(ends[0]);
	stderr_back();
	cr_assert(strstr(text, "lines=1\n"), "%s", text);
	cr_assert(strstr(text, "written\n"), "%s", text);
	close(ends[0]);
}

struct collected {
	char text[512];
	unsigned most, seen;
};

static bool collect(void *owner, const struct log_line *line)
{
	struct collected *c = owner;

	cr_assert_eq(line->level, LOG_WARNING);
	strncat(c->text, strrchr(line->text, ' ') + 1, 16);
	strncat(c->text, ";", 2);
	return ++c->seen < c->most;
}

Test(log, the_last_lines_are_kept_also_those_that_nothing_read)
{
	static struct collected all = {.most = UINT_MAX}, two = {.most = 2}, none;
	int ends[2];

	cr_assert_eq(log_keep(3), 0);
	log_each_kept(collect, &none);
	cr_assert_eq(none.seen, 0);
	cr_assert_eq(pipe(ends), 0);
	stderr_to(ends[1]);
	log_warn("a line number=%d", 1);
	log_warn("another line number=%d", 2);
	fill_pipe();
	log_warn("a line %s number=%d", "of\ntwo", 3);
	log_warn("the last line number=%d", 4);
	stderr_back();
	log_each_kept(collect, &all);
	cr_assert_str_eq(all.text, "number=4;number=3;number=2;", "%s", all.text);
	log_each_kept(collect, &two);
	cr_assert_str_eq(two.text, "number=4;number=3;");
	log_done();
	log_each_kept(collect, &none);
	cr_assert_eq(none.seen, 0);
	close(ends[0]);
}

static void keep_other(int64_t wall_us, const char *tail)
{
	log_keep_other(wall_us, LOG_WARNING, "other", 7, tail);
}

Test(log, lines_of_other_processes_are_kept_in_the_order_of_time)
{
	const int64_t now = 1700000000000000;
	struct collected all = {.most = UINT_MAX};

	cr_assert_eq(log_keep(3), 0);
	keep_other(now, "is number=3");
	keep_other(now - 2, "is number=1");
	keep_other(now - 1, "is number=2");
	log_each_kept(collect, &all);
	cr_expect_str_eq(all.text, "number=3;number=2;number=1;", "%s", all.text);
	/* the clock was set back */
	keep_other(now - 2 * LOG_LATE_US, "is number=4");
	all = (struct collected){.most = UINT_MAX};
	log_each_kept(collect, &all);
	cr_expect_str_eq(all.text, "number=4;number=3;number=2;", "%s", all.text);
	log_done();
}

static char copied[1024];

static void copy(int64_t wall_us, enum log_level level, const char *tail)
{
	cr_expect_gt(wall_us, 0);
	snprintf(copied + strlen(copied), sizeof(copied) - strlen(copied), "%d:%s;", (int)level,
		 tail);
}

Test(log, a_copy_has_what_follows_the_name_of_the_process)
{
	log_set_copy(copy);
	log_warn("a line number=%d", 1);
	log_info("a name %s text=%s", "of\ntwo", "a b");
	log_debug("not written number=%d", 2);
	log_init("x", LOG_INFO, true);
	log_warn("nobody asked number=%d", 3);
	log_set_copy(copy);
	log_warn("the last number=%d", 4);
	cr_expect_str_eq(copied,
			 "2:a line number=1;1:a name of\\x0atwo text=\"a b\";"
			 "2:\"message\":\"the last\",\"fields\":{\"number\":4}};",
			 "%s", copied);
}
