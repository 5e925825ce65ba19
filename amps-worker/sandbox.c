/* sandbox.c - see sandbox.h; landlock(7), seccomp(2) */
#include "amps-worker/sandbox.h"

#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "common/confine.h"
#include "common/log/log.h"

/* Calls that end the process at once: the worker never makes them.  The leak checker reads the
 * process with ptrace at its end. */
static const char *const fatal_calls[] = {
	"execve", "execveat", "process_vm_readv", "process_vm_writev",
#ifndef AMPS_SANITIZED
	"ptrace",
#endif
};

#ifndef AMPS_SANITIZED
static const char *const allowed_calls[] = {
	/* files of segments, and of answers and bodies of the API */
	"openat2", "sendfile", "memfd_create", "pread64",
	/* clients */
	"accept4", "recvfrom", "recvmsg", "sendto", "sendmsg", "sendmmsg", "read", "write",
	"writev", "shutdown", "close", "getsockopt", "setsockopt", "getsockname", "getpeername",
	/* the loop */
	"epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "timerfd_settime", "eventfd2",
	"poll", "ppoll", "clock_gettime", "gettimeofday", "clock_nanosleep", "restart_syscall",
	/* snapshots and rings that arrive */
	"fstat", "newfstatat", "munmap", "mremap", "madvise", "brk", "futex", "getrandom",
	"sysinfo", "sched_yield", "membarrier", "rseq",
	/* the end */
	"exit", "exit_group", "rt_sigreturn", "rt_sigprocmask", "rt_sigaction", "getpid", "gettid"};

static int add_allowed(scmp_filter_ctx filter)
{
	/* memory may be mapped, but never as code */
	const struct confine_rule rules[] = {
		{SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
	};
	int r = confine_add_calls(filter, SCMP_ACT_ALLOW, allowed_calls, array_size(allowed_calls));

	if (r == 0)
		r = confine_add_rules(filter, rules, array_size(rules));
	return r < 0 ? r : confine_add_common(filter);
}

#define DEFAULT_ACTION SCMP_ACT_ERRNO(EPERM)
#else
static int add_allowed(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(connect), 0);
}
#define DEFAULT_ACTION SCMP_ACT_ALLOW
#endif

static int filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(DEFAULT_ACTION);
	int r;

	if (!filter)
		return -ENOMEM;
	/* do not turn on the slow speculation mitigation for this process */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	r = confine_add_calls(filter, SCMP_ACT_KILL_PROCESS, fatal_calls, array_size(fatal_calls));
	if (r == 0)
		r = add_allowed(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

#ifndef AMPS_SANITIZED
/* No file but those below one folder, no port. */
static int forbid_files(int media_fd)
{
	_cleanup_(closep) int rules = confine_ruleset(CONFINE_TCP_BIND | CONFINE_TCP_CONNECT);
	int r = rules;

	if (r >= 0 && media_fd >= 0)
		r = confine_allow_reading(rules, media_fd);
	return r < 0 ? r : confine_restrict(rules);
}
#else
static int forbid_files(int media_fd)
{
	(void)media_fd;
	return 0;
}
#endif

int worker_sandbox_enter(int media_fd)
{
	int r = confine_capabilities();

	if (r < 0)
		return r;
#ifndef AMPS_SANITIZED
	/* the tokens and the key of links must be in no core file */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
#endif
	r = forbid_files(media_fd);
	if (r == -ENOSYS || r == -EOPNOTSUPP)
		log_warn("this kernel has no Landlock, going on with the call filter alone");
	else if (r < 0)
		return r;
	r = filter_calls();
	if (r == -EINVAL || r == -ENOSYS || r == -EOPNOTSUPP) {
		log_warn("this kernel has no call filter, going on without one");
		return 0;
	}
	return r;
}
