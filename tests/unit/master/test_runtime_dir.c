#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "amps-master/system/runtime_dir.h"
#include "unit.h"

static char folder[PATH_MAX];

static void make_folder(void)
{
	char template[] = "/tmp/amps-test-XXXXXX";

	cr_assert_not_null(mkdtemp(template));
	snprintf(folder, sizeof(folder), "%s/run/amps", template);
}

static void remove_folder(void)
{
	char *slash;

	for (int i = 0; i < 3; i++) {
		cr_expect_eq(rmdir(folder), 0, "nothing is left in %s", folder);
		slash = strrchr(folder, '/');
		*slash = '\0';
	}
}

TestSuite(runtime_dir, .init = make_folder, .fini = remove_folder);

Test(runtime_dir, makes_the_folder_and_writes_the_pid)
{
	struct runtime_dir d;
	char text[256] = "", line[32] = "";
	FILE *f;

	cr_assert_eq(runtime_dir_open(&d, folder, NULL, text, sizeof(text)), 0, "%s", text);
	f = fopen(d.pid_path, "r");
	cr_assert_not_null(f);
	cr_assert_not_null(fgets(line, sizeof(line), f));
	fclose(f);
	cr_assert_eq(atoi(line), getpid());
	runtime_dir_close(&d);
	cr_assert_eq(access(d.pid_path, F_OK), -1);
}

Test(runtime_dir, refuses_a_second_master)
{
	struct runtime_dir first, second;
	char text[256] = "";

	cr_assert_eq(runtime_dir_open(&first, folder, NULL, text, sizeof(text)), 0);
	cr_assert_eq(runtime_dir_open(&second, folder, NULL, text, sizeof(text)), -EBUSY);
	cr_assert_not_null(strstr(text, "already running"));
	cr_assert_eq(access(first.pid_path, F_OK), 0, "the first one's file stays");
	runtime_dir_close(&first);
}

Test(runtime_dir, cleans_up_behind_a_killed_master)
{
	struct runtime_dir d;
	char text[256] = "";
	pid_t pid = fork();

	if (pid == 0) {
		int fd;

		if (runtime_dir_open(&d, folder, NULL, text, sizeof(text)) != 0)
			_exit(1);
		fd = open(d.control_path, O_CREAT | O_WRONLY, 0600);
		_exit(fd >= 0 ? 0 : 2);
	} else {
		int status;

		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert_eq(status, 0);
	}
	cr_assert_eq(runtime_dir_open(&d, folder, NULL, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(access(d.control_path, F_OK), -1, "the stale socket is gone");
	runtime_dir_close(&d);
}

Test(runtime_dir, an_impossible_folder_is_an_error_with_a_reason)
{
	struct runtime_dir d;
	char text[256] = "";

	cr_assert_lt(runtime_dir_open(&d, "/proc/self/amps", NULL, text, sizeof(text)), 0);
	cr_assert_not_null(strstr(text, "/proc/self/amps"));
	cr_assert_eq(make_folders(folder, 0700, NULL), 0);
}
