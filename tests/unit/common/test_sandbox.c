/* test_sandbox.c - what a job may no longer do once it is inside */
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "unit.h"

#include "common/sandbox.h"
#include "skip.h"

#ifndef AMPS_SANITIZED /* sanitizers need most of what is taken away */

static char folder[] = "/tmp/amps-sandbox-XXXXXX";
static char mine[64], other[64];

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	cr_assert_geq(fd, 0);
	close(fd);
}

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(mine, sizeof(mine), "%s/mine", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	touch(mine);
	touch(other);
}

static void teardown(void)
{
	unlink(mine);
	unlink(other);
	rmdir(folder);
}

/* Runs in a child inside the sandbox; every check that fails is a bit of its exit code. */
static int inside_of(const struct sandbox *s, int (*checks)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(sandbox_enter(s) < 0 ? 255 : checks());
	waitpid(pid, &status, 0);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int inside(int (*checks)(void), bool file_folder)
{
	struct sandbox s = {
		.file = mine, .file_folder = file_folder, .network = SANDBOX_ANY, .memory_mb = 256};

	return inside_of(&s, checks);
}

static bool opens(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int check_files(void)
{
	return (opens(mine, O_RDONLY) ? 0 : 1) | (opens(other, O_RDONLY) ? 2 : 0) |
	       (opens(mine, O_RDWR) ? 4 : 0) | (opens("/etc/passwd", O_RDONLY) ? 8 : 0) |
	       (opens("/etc/hosts", O_RDONLY) ? 0 : 16) |
	       (opens("/tmp/amps-made-inside", O_WRONLY | O_CREAT) ? 32 : 0) |
	       (unlink(mine) == 0 ? 64 : 0);
}

static int check_folder(void)
{
	return (opens(mine, O_RDONLY) ? 0 : 1) | (opens(other, O_RDONLY) ? 0 : 2) |
	       (opens("/etc/passwd", O_RDONLY) ? 4 : 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static bool makes_thread(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0;
}

static int check_processes(void)
{
	struct rlimit core = {1, 1};
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	execl("/bin/true", "true", NULL);
	getrlimit(RLIMIT_CORE, &core);
	return (pid >= 0 ? 1 : 0) | (makes_thread() ? 0 : 2) |
	       (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 4 : 0) | (core.rlim_cur ? 8 : 0);
}

static int check_sockets(void)
{
	return (socket(AF_INET, SOCK_STREAM, 0) < 0 ? 1 : 0) |
	       (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 2 : 0) |
	       (socket(AF_PACKET, SOCK_RAW, 0) >= 0 ? 4 : 0) |
	       (socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0 ? 8 : 0);
}

/* Without netlink, getaddrinfo cannot see which addresses this machine has. */
static int check_lookup(void)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;

	return getaddrinfo("localhost", "80", &hints, &found) == 0 && found ? 0 : 1;
}

/* Signals, niceness, a terminal's input: nothing that reaches beyond this process. */
static int check_others(void)
{
	bool typed = ioctl(0, TIOCSTI, "x") == 0 || errno != EPERM;
	bool typed_wide = syscall(SYS_ioctl, 0, TIOCSTI | 1ul << 32, "x") == 0 || errno != EPERM;

	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	return (tgkill(getppid(), getppid(), 0) == 0 ? 1 : 0) |
	       (sched_setaffinity(getppid(), sizeof(all), &all) == 0 ? 64 : 0) |
	       (sched_setaffinity(0, sizeof(all), &all) == 0 ? 0 : 128) |
	       (tgkill(getpid(), gettid(), 0) == 0 ? 0 : 2) |
	       (setpriority(PRIO_USER, 0, 19) == 0 ? 4 : 0) | (typed || typed_wide ? 8 : 0) |
	       (socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT) >= 0 ? 16 : 0) |
	       (opens("/etc/ssl/private", O_RDONLY | O_DIRECTORY) ? 32 : 0);
}

/* A descriptor's owner gets a signal of choice when there is something to be read. */
static int check_owner(void)
{
	struct f_owner_ex owner = {F_OWNER_PID, getppid()};
	int ends[2];

	return (pipe(ends) < 0 ? 1 : 0) | (fcntl(ends[0], F_SETOWN, getppid()) == 0 ? 2 : 0) |
	       (fcntl(ends[0], F_SETOWN_EX, &owner) == 0 ? 4 : 0) |
	       (fcntl(ends[0], F_SETSIG, SIGKILL) == 0 ? 8 : 0) |
	       (fcntl(ends[0], F_SETFL, O_ASYNC) == 0 ? 16 : 0) |
	       (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : 32) |
	       (fcntl(ends[0], F_SETLEASE, F_RDLCK) == 0 ? 64 : 0);
}

static int check_kill(void)
{
	return (kill(getppid(), 0) == 0 ? 1 : 0) | (kill(-1, 0) == 0 ? 2 : 0) |
	       (syscall(SYS_tkill, getppid(), 0) == 0 ? 4 : 0) |
	       (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 ? 8 : 0) |
	       (syscall(SYS_pidfd_open, getppid(), 0) >= 0 ? 16 : 0);
}

/* The lines "CapInh: 0000000000000000" of proc(5).  The sandbox has no /proc: the file is open. */
static int status_fd;

static int check_capabilities(void)
{
	static const char *const sets[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
	char text[4096] = "";
	int bad = 0;

	if (pread(status_fd, text, sizeof(text) - 1, 0) <= 0)
		return 128;
	for (size_t i = 0; i < array_size(sets); i++) {
		const char *line = strstr(text, sets[i]);

		if (!line || strtoull(line + strlen(sets[i]), NULL, 16) != 0)
			bad |= 1 << i;
	}
	return bad;
}

/* The child's own: /proc/self is resolved when it is opened. */
static int open_status(const struct sandbox *s)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
		_exit(sandbox_enter(s) < 0 ? 255 : check_capabilities());
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* A listener of this machine, and a system call that no library stands before. */
static struct sockaddr_in listening;

static int connect_raw(void)
{
	int fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);

	if (fd < 0 ||
	    syscall(SYS_connect, fd, (struct sockaddr *)&listening, sizeof(listening)) < 0)
		return errno == EACCES || errno == EPERM ? 0 : 2;
	return 1;
}

static int listen_here(void)
{
	socklen_t len = sizeof(listening);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	listening = (struct sockaddr_in){.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(bind(fd, (struct sockaddr *)&listening, len), 0);
	cr_assert_eq(listen(fd, 8), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&listening, &len), 0);
	return fd;
}

static long landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

TestSuite(sandbox, .init = setup, .fini = teardown);

Test(sandbox, reads_its_source_and_nothing_else)
{
	cr_assert_eq(inside(check_files, false), 0);
}

Test(sandbox, a_playlist_may_have_its_folder)
{
	cr_assert_eq(inside(check_folder, true), 0);
}

static int check_passwd(void)
{
	return opens("/etc/passwd", O_RDONLY) ? 1 : 0;
}

Test(sandbox, a_playlist_in_the_root_has_no_folder)
{
	static const char *const lists[] = {"/live.m3u8", "//live.m3u8", "/etc/../live.m3u8"};

	for (size_t i = 0; i < array_size(lists); i++) {
		snprintf(mine, sizeof(mine), "%s", lists[i]);
		cr_expect_eq(inside(check_passwd, true), 0, "%s", lists[i]);
	}
	snprintf(mine, sizeof(mine), "%s/mine", folder);
}

Test(sandbox, makes_threads_but_no_processes)
{
	cr_assert_eq(inside(check_processes, false), 0);
}

Test(sandbox, may_use_the_network_only)
{
	cr_assert_eq(inside(check_sockets, false), 0);
}

Test(sandbox, reaches_no_other_process)
{
	cr_assert_eq(inside(check_others, false), 0);
}

Test(sandbox, signals_no_process_by_a_descriptor)
{
	cr_assert_eq(inside(check_owner, false), 0);
}

Test(sandbox, signals_and_traces_no_process)
{
	cr_assert_eq(inside(check_kill, false), 0);
}

/* Its filter lists what is refused instead of what is allowed. */
Test(sandbox, with_devices_it_reaches_no_more)
{
	struct sandbox s = {
		.file = mine, .network = SANDBOX_ANY, .memory_mb = 256, .devices = true};
	int (*const checks[])(void) = {check_processes, check_sockets, check_others,
				       check_owner,	check_kill,    check_lookup};

	for (size_t i = 0; i < array_size(checks); i++)
		cr_expect_eq(inside_of(&s, checks[i]), 0, "check %zu: %d", i,
			     inside_of(&s, checks[i]));
	s.network = SANDBOX_OFFLINE;
	cr_expect_eq(inside_of(&s, connect_raw), 0);
	if (landlock_version() < 1)
		skip_kernel("no Landlock (Linux 5.13 has it)");
	cr_expect_eq(inside_of(&s, check_files), 0);
}

Test(sandbox, names_are_looked_up_without_netlink)
{
	cr_assert_eq(inside(check_lookup, false), 0);
}

Test(sandbox, has_no_capability)
{
	cr_assert_eq(open_status(&(struct sandbox){.memory_mb = 256}), 0);
}

Test(sandbox, a_job_without_a_remote_source_makes_no_connection)
{
	int fd = listen_here();
	struct sandbox s = {.memory_mb = 256, .network = SANDBOX_OFFLINE};

	cr_assert_eq(inside_of(&s, connect_raw), 0);
	close(fd);
}

Test(sandbox, a_raw_connection_goes_to_the_sources_port_alone)
{
	int fd = listen_here();
	struct sandbox s = {.memory_mb = 256, .network = SANDBOX_DATAGRAMS};

	if (landlock_version() < 4)
		skip_kernel("no Landlock rules for ports (Linux 6.7 has them)");
	cr_assert_eq(inside_of(&s, connect_raw), 0);
	s.network = SANDBOX_PORT;
	s.port = (uint16_t)(ntohs(listening.sin_port) ^ 1);
	cr_assert_eq(inside_of(&s, connect_raw), 0);
	s.port = ntohs(listening.sin_port);
	cr_assert_eq(inside_of(&s, connect_raw), 1);
	close(fd);
}

static int list_addresses(void)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return 1;
	freeifaddrs(all);
	return 0;
}

Test(sandbox, a_job_of_datagrams_finds_interfaces_by_their_addresses)
{
	struct sandbox s = {.memory_mb = 256, .network = SANDBOX_DATAGRAMS};

	cr_assert_eq(inside_of(&s, list_addresses), 0);
}

Test(sandbox, reads_further_files_and_folders)
{
	const char *const more[] = {other};
	struct sandbox s = {.file = mine, .more = more, .more_count = 1, .memory_mb = 256};

	cr_assert_eq(inside_of(&s, check_folder), 0);
	s = (struct sandbox){
		.more = (const char *const[]){folder}, .more_count = 1, .memory_mb = 256};
	cr_assert_eq(inside_of(&s, check_folder), 0);
}

/* As a segment job opens its files. */
static int open_segment(const char *folder_at, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder_at, name);
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static bool is_refused(int r)
{
	return r < 0 && errno == EACCES;
}

static char writable[64];

static int check_writable(void)
{
	int fd = open_segment(writable, "1.ts"), bad = fd < 0 ? 1 : 0;
	char path[128], beside[128];

	bad |= write(fd, "abc", 3) == 3 ? 0 : 2;
	bad |= ftruncate(fd, 1) == 0 ? 0 : 2;
	bad |= is_refused(open_segment(folder, "1.ts")) ? 0 : 4;
	bad |= is_refused(open_segment(folder, "other")) ? 0 : 8;
	snprintf(path, sizeof(path), "%s/1.ts", writable);
	bad |= is_refused(open(path, O_RDONLY)) ? 0 : 16;
	snprintf(beside, sizeof(beside), "%s/2.ts", folder);
	bad |= renameat(AT_FDCWD, path, AT_FDCWD, beside) < 0 ? 0 : 32;
	bad |= is_refused(unlinkat(AT_FDCWD, other, 0)) ? 0 : 64;
	bad |= unlinkat(AT_FDCWD, path, 0) == 0 ? 0 : 128;
	return bad;
}

Test(sandbox, writes_in_its_folder_and_nowhere_else)
{
	const char *const folders[] = {writable};
	struct sandbox s = {
		.writable = folders, .writable_count = 1, .file_bytes = 1024, .memory_mb = 256};

	if (landlock_version() < 1)
		skip_kernel("no Landlock (Linux 5.13 has it)");
	snprintf(writable, sizeof(writable), "%s/tracks", folder);
	cr_assert_eq(mkdir(writable, 0700), 0);
	cr_expect_eq(inside_of(&s, check_writable), 0, "%d", inside_of(&s, check_writable));
	cr_assert_eq(rmdir(writable), 0);
}

Test(sandbox, a_lower_limit_of_descriptors_stays)
{
	struct rlimit few = {100, 100};
	struct sandbox s = {.memory_mb = 256};

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	cr_assert_eq(inside_of(&s, connect_raw), 0);
}

#else

Test(sandbox, runs_nothing_else)
{
	struct sandbox s = {0};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (sandbox_enter(&s) == 0)
			execl("/bin/true", "true", NULL);
		_exit(7);
	}
	waitpid(pid, &status, 0);
	cr_assert_eq(WEXITSTATUS(status), 7);
}

#endif
