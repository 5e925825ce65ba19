/* What a confined worker can still do, and what it cannot. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "amps-worker/sandbox.h"
#include "skip.h"
#include "unit.h"

/* Runs `deed` in a confined child; its exit status, or minus the signal that ended it. */
static int confined(int (*deed)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		/* for those that ask what they still may */
		dup2(open("/proc/self/status", O_RDONLY), STDIN_FILENO);
		_exit(worker_sandbox_enter(-1) < 0 ? 99 : deed());
	}
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

static int hold_capabilities(void)
{
	static const char *const sets[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
	char text[4096] = "";
	int bad = 0;

	/* opened by confined(), where files can still be opened */
	if (read(STDIN_FILENO, text, sizeof(text) - 1) <= 0)
		return 98;
	for (size_t i = 0; i < array_size(sets); i++) {
		const char *line = strstr(text, sets[i]);

		bad += !line || strtoull(line + strlen(sets[i]), NULL, 16) != 0;
	}
	return bad;
}

Test(sandbox, no_capability_is_left)
{
	cr_assert_eq(confined(hold_capabilities), 0);
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
static int trace_another(void)
{
	ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
	return 1;
}

/* Tries every way to affect another process of the same user; a bit for each that succeeded. */
static int reach_a_process(void)
{
	cpu_set_t all;
	int ends[2] = {STDIN_FILENO, STDERR_FILENO};

	memset(&all, 0xff, sizeof(all));
	return (kill(getppid(), 0) == 0 ? 1 : 0) | (tgkill(getppid(), getppid(), 0) == 0 ? 2 : 0) |
	       (fcntl(ends[0], F_SETOWN, getppid()) == 0 ? 4 : 0) |
	       (fcntl(ends[0], F_SETSIG, SIGKILL) == 0 ? 8 : 0) |
	       (fcntl(ends[0], F_SETFL, O_ASYNC) == 0 ? 16 : 0) |
	       (sched_setaffinity(getppid(), sizeof(all), &all) == 0 ? 32 : 0) |
	       (syscall(SYS_pidfd_open, getppid(), 0) >= 0 ? 64 : 0);
}

static int make_a_socket(void)
{
	return (socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 1 : 0) |
	       (socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0 ? 2 : 0) |
	       (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 4 : 0);
}

/* What the worker does with descriptors. */
static int handle_descriptors(void)
{
	int copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	int flags = fcntl(copy, F_GETFL);

	return copy >= 0 && flags >= 0 && fcntl(copy, F_SETFL, flags | O_NONBLOCK) == 0 &&
			       tgkill(getpid(), gettid(), 0) == 0
		       ? 0
		       : 1;
}

Test(sandbox, no_process_can_be_traced)
{
	cr_assert_eq(confined(trace_another), -SIGSYS);
}

Test(sandbox, no_other_process_can_be_reached)
{
	cr_assert_eq(confined(reach_a_process), 0);
}

Test(sandbox, no_socket_can_be_made)
{
	cr_assert_eq(confined(make_a_socket), 0);
}

Test(sandbox, descriptors_can_be_handled)
{
	cr_assert_eq(confined(handle_descriptors), 0);
}

static int open_a_file(void)
{
	return open("/etc/hostname", O_RDONLY) < 0 && open("/tmp", O_RDONLY) < 0 &&
			       open("/tmp/amps-made-by-a-worker", O_WRONLY | O_CREAT, 0600) < 0
		       ? 0
		       : 1;
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

Test(sandbox, memory_and_log_still_work)
{
	cr_assert_eq(confined(work), 0);
}

/* Does a crash of a process that may write core files write one? */
static bool leaves_core(bool sandboxed)
{
	const struct rlimit most = {1 << 30, 1 << 30};
	char folder[] = "/tmp/amps-core-XXXXXX", command[64];
	int status, *volatile nowhere = NULL;
	pid_t pid;

	cr_assert_not_null(mkdtemp(folder));
	pid = fork();
	if (pid == 0) {
		if (setrlimit(RLIMIT_CORE, &most) < 0 || chdir(folder) < 0 ||
		    (sandboxed && worker_sandbox_enter(-1) < 0))
			_exit(99);
		signal(SIGSEGV, SIG_DFL);
		*nowhere = 0;
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	return WCOREDUMP(status);
}

Test(sandbox, a_crash_leaves_no_core_file_with_tokens)
{
	if (!leaves_core(false)) {
		skip_kernel("core files");
		return;
	}
	cr_expect_not(leaves_core(true));
}
#endif
