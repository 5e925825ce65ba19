/* calls.c - see calls.h */
#include "amps-transcoder/sandbox/calls.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/confine.h"

#define CALL(name) SCMP_SYS(name)

#ifdef AMPS_SANITIZED
/* What sanitizers do at their end (stop threads, look into them) needs most of the rest. */
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
	/* files, to be looked at */
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
	/* asking about ourselves */
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

/* A file may be opened for reading alone. */
static int add_open_rules(scmp_filter_ctx ctx)
{
	const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(openat), 1,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));

	return r < 0 ? r
		     : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(open), 1,
					SCMP_A1(SCMP_CMP_MASKED_EQ, writing, 0));
}

/* Threads yes, processes no.  A filter cannot look into clone3's arguments: glibc goes back to
 * clone when told that there is none. */
static int add_clone_rules(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(clone), 1,
				 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

	return r < 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
}

/* The internet; no socket of this machine.  Without netlink getaddrinfo assumes that both IPv4 and
 * IPv6 are there. */
static int add_socket_rules(scmp_filter_ctx ctx, bool routes)
{
	static const int families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (size_t i = 0; r == 0 && i < array_size(families); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	return r < 0 || !routes ? r
				: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(socket), 2,
						   SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
						   SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE));
}

/* Questions alone: a terminal that a job inherited could be fed with TIOCSTI.  The kernel looks at
 * the lower half of the number, and so do we. */
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

/* Calls that could reach other processes of our user, for ourselves alone; limits may be read, not
 * set. */
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

int sandbox_limit_calls(bool sockets, bool routes)
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
