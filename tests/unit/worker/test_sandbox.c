/* What a confined worker can still do, and what it cannot. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "amps-worker/sandbox.h"

/* Runs `deed` in a confined child; its exit status, or minus the signal that ended it. */
static int confined(int (*deed)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(sandbox_enter() < 0 ? 99 : deed());
	cr_assert_gt(pid, 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_a_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static int make_a_connection(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(1)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd >= 0 && (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 || errno != EPERM))
		return 1;
	return 0;
}

Test(sandbox, no_program_can_be_run)
{
	cr_assert_eq(confined(run_a_program), -SIGSYS);
}

Test(sandbox, no_connection_can_be_made)
{
	cr_assert_eq(confined(make_a_connection), 0);
}

#ifndef AMPS_SANITIZED
static int open_a_file(void)
{
	return open("/etc/hostname", O_RDONLY) < 0 && open("/tmp", O_RDONLY) < 0 ? 0 : 1;
}

static int map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED && errno == EPERM ? 0 : 1;
}

static int work(void)
{
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *heap = malloc(1 << 20);

	return p != MAP_FAILED && heap && write(STDERR_FILENO, "", 0) == 0 ? 0 : 1;
}

Test(sandbox, no_file_can_be_opened)
{
	cr_assert_eq(confined(open_a_file), 0);
}

Test(sandbox, no_code_can_be_mapped)
{
	cr_assert_eq(confined(map_code), 0);
}

Test(sandbox, memory_and_log_go_on)
{
	cr_assert_eq(confined(work), 0);
}
#endif
