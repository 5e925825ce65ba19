/* What server.access_log may name, and that opening it never waits. */
#include "amps-master/system/access_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include "unit.h"

static char folder[] = "/tmp/amps-access-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
	alarm(20); /* an open that waits ends the test */
}

static void remove_folder(void)
{
	static const char *const names[] = {"file", "link", "fifo"};

	for (size_t i = 0; i < array_size(names); i++)
		unlink(path_of(names[i]));
	cr_expect_eq(rmdir(folder), 0);
}

TestSuite(access_file, .init = make_folder, .fini = remove_folder);

Test(access_file, a_file_is_made_for_its_group_and_appended_to)
{
	struct stat st;
	int fd;

	umask(0);
	for (int i = 1; i < 3; i++) {
		fd = access_file_open(path_of("file"));
		cr_assert_geq(fd, 0);
		cr_assert_eq(write(fd, "x", 1), 1);
		cr_assert_eq(fstat(fd, &st), 0);
		cr_expect_eq(st.st_mode & 07777, 0640);
		cr_expect_eq(st.st_size, i);
		cr_expect(fcntl(fd, F_GETFL) & O_APPEND);
		cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
}

Test(access_file, a_link_is_refused)
{
	cr_assert_eq(symlink("/dev/null", path_of("link")), 0);
	cr_expect_eq(access_file_open(path_of("link")), -ELOOP);
	cr_expect_eq(access_file_open("/nowhere/file"), -ENOENT);
	cr_expect_eq(access_file_open(folder), -EISDIR);
}

Test(access_file, a_fifo_without_a_reader_does_not_wait)
{
	char byte = 'x';
	int fd, written = 0;

	cr_assert_eq(mkfifo(path_of("fifo"), 0600), 0);
	signal(SIGPIPE, SIG_DFL);
	fd = access_file_open(path_of("fifo"));
	cr_assert_geq(fd, 0);
	while (write(fd, &byte, 1) == 1)
		written++;
	cr_expect_eq(errno, EAGAIN);
	cr_expect_gt(written, 1000);
	close(fd);
}

Test(access_file, the_ordinary_log_stays_as_it_is)
{
	int p[2], fd, saved = dup(STDERR_FILENO);

	cr_assert_eq(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	fd = access_file_open(ACCESS_FILE_STDERR);
	dup2(saved, STDERR_FILENO);
	close(saved);
	cr_assert_geq(fd, 0);
	cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_expect_not(fcntl(p[1], F_GETFL) & O_NONBLOCK, "others write to it, too");
	cr_expect_eq(write(fd, "x", 1), 1);
	close(fd);
	close(p[0]);
	close(p[1]);
}
