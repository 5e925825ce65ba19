/* sandbox.c - see sandbox.h */
#include "common/sandbox.h"

#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/confine.h"
#include "common/limits.h"

#define NAME_SERVER_PORT 53

#define CALL(name) SCMP_SYS(name)

#ifdef AMPS_SANITIZED
/* Sanitizers need most other calls when the process ends (they stop and inspect threads). */
static const int refused[] = {CALL(execve), CALL(execveat),  CALL(mount), CALL(unlinkat),
			      CALL(unlink), CALL(renameat2), CALL(bpf),	  CALL(setuid)};

static int add_rules(scmp_filter_ctx ctx, bool sockets, bool routes)
{
	int r = sockets ? 0 : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), CALL(connect), 0);

	(void)routes;
	for (size_t i = 0; r == 0 && i < array_size(refused); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	return r;
}

#define DEFAULT_ACTION SCMP_ACT_ALLOW
#else
#define DEFAULT_ACTION SCMP_ACT_ERRNO(EPERM)

static const int allowed[] = {
	/* bytes */
	CALL(read),
	CALL(readv),
	CALL(pread64),
	CALL(write),
	CALL(writev),
	CALL(lseek),
	CALL(close),
	CALL(dup),
	CALL(pipe2),
	CALL(eventfd2),
	/* metadata of files */
	CALL(fstat),
	CALL(newfstatat),
	CALL(stat),
	CALL(lstat),
	CALL(statx),
	CALL(statfs),
	CALL(fstatfs),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(readlink),
	CALL(readlinkat),
	CALL(getdents64),
	CALL(getcwd),
	CALL(fadvise64),
	/* memory */
	CALL(mmap),
	CALL(munmap),
	CALL(mprotect),
	CALL(mremap),
	CALL(madvise),
	CALL(brk),
	CALL(mlock),
	CALL(munlock),
	CALL(membarrier),
	/* waiting and time */
	CALL(poll),
	CALL(ppoll),
	CALL(select),
	CALL(pselect6),
	CALL(epoll_create1),
	CALL(epoll_ctl),
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(nanosleep),
	CALL(clock_nanosleep),
	CALL(clock_gettime),
	CALL(clock_getres),
	CALL(gettimeofday),
	CALL(time),
	CALL(restart_syscall),
	/* the network */
	CALL(connect),
	CALL(bind),
	CALL(sendto),
	CALL(sendmsg),
	CALL(sendmmsg),
	CALL(recvfrom),
	CALL(recvmsg),
	CALL(recvmmsg),
	CALL(shutdown),
	CALL(getsockname),
	CALL(getpeername),
	CALL(setsockopt),
	CALL(getsockopt),
	/* threads and signals */
	CALL(futex),
	CALL(set_robust_list),
	CALL(rseq),
	CALL(sched_yield),
	CALL(sched_getaffinity),
	CALL(sched_getparam),
	CALL(sched_getscheduler),
	CALL(sched_get_priority_max),
	CALL(sched_get_priority_min),
	CALL(getpriority),
	CALL(gettid),
	CALL(getpid),
	CALL(getppid),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(sigaltstack),
	CALL(exit),
	CALL(exit_group),
	CALL(prctl),
	/* information about this process */
	CALL(getrandom),
	CALL(uname),
	CALL(sysinfo),
	CALL(getrlimit),
	CALL(getrusage),
	CALL(times),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
};

/* Files may be opened only for reading. */
static int add_open_rules(scmp_filter_ctx ctx)
{
	const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(openat), 1,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));

	return r < 0 ? r
		     : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(open), 1,
					SCMP_A1(SCMP_CMP_MASKED_EQ, writing, 0));
}

/* Threads are allowed, processes are not.  A filter cannot read the arguments of clone3: with
 * ENOSYS glibc falls back to clone. */
static int add_clone_rules(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(clone), 1,
				 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

	return r < 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
}

/* Internet sockets; Unix sockets in pairs only, by which threads wake each other.  Without netlink
 * getaddrinfo assumes that both IPv4 and IPv6 exist. */
static int add_socket_rules(scmp_filter_ctx ctx, bool routes)
{
	static const int families[] = {AF_INET, AF_INET6};
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(socketpair), 1,
				 SCMP_A0(SCMP_CMP_EQ, AF_UNIX));

	for (size_t i = 0; r == 0 && i < array_size(families); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	return r < 0 || !routes ? r
				: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(socket), 2,
						   SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
						   SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE));
}

/* Only requests that read: TIOCSTI would inject input into an inherited terminal.  The kernel uses
 * the lower half of the number, so the filter does, too. */
static int add_ioctl_rules(scmp_filter_ctx ctx)
{
	static const unsigned questions[] = {FIONREAD,	  FIONBIO,     TCGETS,	     SIOCGIFINDEX,
					     SIOCGIFNAME, SIOCGIFADDR, SIOCGIFFLAGS, SIOCGIFCONF};
	int r = 0;

	for (size_t i = 0; r == 0 && i < array_size(questions); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, questions[i]));
	return r;
}

/* Calls that could reach other processes of the user, allowed for this process only; limits may be
 * read, not set. */
static int add_own_rules(scmp_filter_ctx ctx)
{
	int r = confine_add_rules(ctx);

	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(setpriority), 2,
				     SCMP_A0(SCMP_CMP_EQ, PRIO_PROCESS), SCMP_A1(SCMP_CMP_EQ, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(sched_setaffinity), 1,
				     SCMP_A0(SCMP_CMP_EQ, 0));
	return r < 0 ? r
		     : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(prlimit64), 1,
					SCMP_A2(SCMP_CMP_EQ, 0));
}

static int add_rules(scmp_filter_ctx ctx, bool sockets, bool routes)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < array_size(allowed); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r == 0)
		r = add_open_rules(ctx);
	if (r == 0)
		r = add_clone_rules(ctx);
	if (r == 0 && sockets)
		r = add_socket_rules(ctx, routes);
	if (r == 0)
		r = add_ioctl_rules(ctx);
	return r < 0 ? r : add_own_rules(ctx);
}
#endif

/* Loads the seccomp filter (no_new_privs must be set); without `sockets` none can be made, with
 * `routes` also one that asks the kernel for addresses and routes.  0 or -Exxx. */
static int limit_calls(bool sockets, bool routes)
{
	scmp_filter_ctx ctx = seccomp_init(DEFAULT_ACTION);
	int r;

	if (!ctx)
		return -ENOMEM;
	r = add_rules(ctx, sockets, routes);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

/* Lowers a limit; one that is lower already stays. */
static int limit(int resource, rlim_t wanted)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		return -errno;
	wanted = MIN(wanted, now.rlim_max);
	return setrlimit(resource, &(struct rlimit){wanted, wanted}) < 0 ? -errno : 0;
}

/* The master checks the memory use of jobs periodically.  The limit of the address space, which is
 * far larger, stops a job that grows faster than that. */
static int set_limits(const struct sandbox *s)
{
	int r = limit(RLIMIT_CORE, 0);

	if (r == 0)
		r = limit(RLIMIT_NOFILE, JOB_FILES_MAX);
#ifndef AMPS_SANITIZED
	if (r == 0)
		r = limit(RLIMIT_AS, ((rlim_t)s->memory_mb + JOB_ADDRESS_SPACE_MB) << 20);
#else
	(void)s;
#endif
	return r;
}

/* Makes this process the first choice of the OOM killer. */
static void step_back(void)
{
	_cleanup_(closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? write(fd, "500", 3) : 0;

	(void)n; /* a kernel without it chooses by size */
}

static const char *const readable[] = {"/usr",
				       "/lib",
				       "/lib64",
				       "/etc/ssl/certs",
				       "/etc/ssl/openssl.cnf",
				       "/etc/pki/tls/certs",
				       "/etc/pki/ca-trust",
				       "/etc/ca-certificates",
				       "/etc/resolv.conf",
				       "/etc/hosts",
				       "/etc/nsswitch.conf",
				       "/etc/host.conf",
				       "/etc/gai.conf",
				       "/etc/services",
				       "/etc/gnutls",
				       "/etc/fonts",
				       "/etc/ld.so.cache",
				       "/etc/localtime",
				       "/run/systemd/resolve",
				       "/var/cache/fontconfig",
				       "/dev/urandom",
				       "/dev/null"};

static void allow_path(int rules, const char *path, bool folder)
{
	struct landlock_path_beneath_attr attr = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE};

	attr.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (attr.parent_fd < 0)
		return;
	if (folder)
		attr.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0) {
		/* the kernel refuses a right for folders on a file */
		attr.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
		syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
	}
	close(attr.parent_fd);
}

static bool is_root(const char *path)
{
	struct stat root, st;

	return stat("/", &root) == 0 && stat(path, &st) == 0 && st.st_dev == root.st_dev &&
	       st.st_ino == root.st_ino;
}

static void allow_source(int rules, const struct sandbox *s)
{
	char path[4096];
	const char *folder;

	if (!s->file || (size_t)snprintf(path, sizeof(path), "%s", s->file) >= sizeof(path))
		return;
	/* if the folder is `/`, everything would be below it: allow only the file */
	folder = dirname(path);
	if (s->file_folder && !is_root(folder))
		allow_path(rules, folder, true);
	else
		allow_path(rules, s->file, false);
}

static int allow_ports(int rules, const struct sandbox *s)
{
	int r = 0;

	if (s->network == SANDBOX_DATAGRAMS || s->network == SANDBOX_PORT)
		r = confine_allow_port(rules, NAME_SERVER_PORT);
	if (r == 0 && s->network == SANDBOX_PORT)
		r = confine_allow_port(rules, s->port);
	/* before version 4 ports cannot be restricted, so rules are not needed */
	return r == -EINVAL ? 0 : r;
}

/* Removes all file rights except reading below these paths, and TCP ports that the source does not
 * need. */
static int limit_reach(const struct sandbox *s)
{
	bool any = s->network == SANDBOX_ANY;
	_cleanup_(closep) int rules =
		confine_ruleset(CONFINE_TCP_BIND | (any ? 0 : CONFINE_TCP_CONNECT));
	int r;

	if (rules == -ENOSYS || rules == -EOPNOTSUPP)
		return 0;
	if (rules < 0)
		return rules;
	for (size_t i = 0; i < array_size(readable); i++)
		allow_path(rules, readable[i], true);
	allow_source(rules, s);
	for (size_t i = 0; i < s->more_count; i++)
		allow_path(rules, s->more[i], true);
	r = allow_ports(rules, s);
	return r < 0 ? r : confine_restrict(rules);
}

int sandbox_enter(const struct sandbox *s)
{
	int r;

	step_back();
	r = confine_capabilities();
	if (r < 0)
		return r;
#ifndef AMPS_SANITIZED
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
#endif
	r = set_limits(s);
	if (r == 0)
		r = limit_reach(s);
	return r < 0 ? r
		     : limit_calls(s->network != SANDBOX_OFFLINE, s->network == SANDBOX_DATAGRAMS);
}
