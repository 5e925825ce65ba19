#include "common/programs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "unit.h"

Test(programs, found_beside_the_calling_program)
{
	char self[PATH_MAX], path[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	cr_assert_gt(n, 0);
	self[n] = '\0';
	cr_assert_eq(programs_find(strrchr(self, '/') + 1, path, sizeof(path)), 0);
	cr_expect_str_eq(path, self);
	cr_expect_eq(programs_find("no-such-program", path, sizeof(path)), -ENOENT);
	cr_expect_eq(programs_find(strrchr(self, '/') + 1, path, (size_t)n), -ENOENT);
}

/* The copy that the test below installs; it only looks. */
__attribute__((constructor)) static void look_when_installed(void)
{
	char path[PATH_MAX];

	if (getenv("AMPS_TEST_INSTALLED") == NULL)
		return;
	_exit(programs_find("other", path, sizeof(path)) == 0 &&
			      strstr(path, "/bin/../libexec/amps/other") != NULL
		      ? 0
		      : 1);
}

/* amps in bin, the others in libexec/amps */
Test(programs, found_in_libexec)
{
	char folder[] = "/tmp/amps-programs-XXXXXX", text[PATH_MAX];

	cr_assert_not_null(mkdtemp(folder));
	snprintf(text, sizeof(text),
		 "cd %s && mkdir -p bin libexec/amps && cp /proc/%d/exe bin/self && "
		 "cp /bin/true libexec/amps/other && AMPS_TEST_INSTALLED=1 bin/self",
		 folder, (int)getpid());
	cr_expect_eq(system(text), 0);
	snprintf(text, sizeof(text), "rm -rf %s", folder);
	cr_expect_eq(system(text), 0);
}

Test(programs, found_in_the_folders_of_a_path)
{
	char path[PATH_MAX];

	cr_expect_eq(programs_in("/nonexistent:/bin", "sh", path, sizeof(path)), 0);
	cr_expect_str_eq(path, "/bin/sh");
	cr_expect_eq(programs_in(NULL, "no-such-program", path, sizeof(path)), -ENOENT);
	cr_expect_eq(programs_in("/nonexistent", "sh", path, sizeof(path)), -ENOENT);
	cr_expect_eq(programs_in("/bin", "sh", path, strlen("/bin/sh")), -ENOENT, "no room");
	/* an empty entry is the current folder */
	cr_assert_eq(chdir("/bin"), 0);
	cr_expect_eq(programs_in("/nonexistent:", "sh", path, sizeof(path)), 0);
	cr_expect_str_eq(path, "./sh");
	cr_expect_eq(programs_on_path("/bin/sh", path, sizeof(path)), 0);
	cr_expect_str_eq(path, "/bin/sh");
	cr_expect_eq(programs_on_path("/bin/no-such-program", path, sizeof(path)), -ENOENT);
}
