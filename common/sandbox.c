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

/* What the drivers of graphics hardware open for writing, and what they read. */
static const char *const devices[] = {"/dev/dri",
				      "/dev/nvidiactl",
				      "/dev/nvidia-uvm",
				      "/dev/nvidia-uvm-tools",
				      "/dev/nvidia-modeset",
				      "/dev/nvidia-caps",
				      "/dev/nvidia0",
				      "/dev/nvidia1",
				      "/dev/nvidia2",
				      "/dev/nvidia3",
				      "/dev/nvidia4",
				      "/dev/nvidia5",
				      "/dev/nvidia6",
				      "/dev/nvidia7"};
static const char *const driver_files[] = {
	"/sys",		 "/proc/driver/nvidia", "/proc/devices", "/proc/cpuinfo",
	"/proc/meminfo", "/proc/self",		"/etc/OpenCL",	 "/etc/vulkan",
	"/etc/drirc",	 "/etc/libva.conf",	"/etc/nvidia",	 "/etc/glvnd"};

#ifdef AMPS_SANITIZED
/* Sanitizers need most other calls when the process ends (they stop and inspect threads). */
static const char *const refused[] = {"execve",	   "execveat", "mount", "unlink",
				      "renameat2", "bpf",      "setuid"};

static int add_rules(scmp_filter_ctx ctx, const struct sandbox *s)
{
	int r = s->network != SANDBOX_OFFLINE
			? 0
			: seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(connect), 0);

	if (r == 0 && !s->writable_count)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unlinkat), 0);
	return r < 0 ? r
		     : confine_add_calls(ctx, SCMP_ACT_ERRNO(EPERM), refused, array_size(refused));
}

#else
#define WRITING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

/* What no driver of graphics hardware needs. */
static const char *const refused[] = {
	/* other programs and processes */
	"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
	"process_madvise", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "kill", "tkill",
	"rt_sigqueueinfo", "rt_tgsigqueueinfo", "setpgid", "setsid", "setns", "unshare",
	/* names of files */
	"unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink",
	"symlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmod", "fchmodat",
	"chown", "fchown", "lchown", "fchownat", "chdir", "fchdir", "chroot", "truncate",
	"setxattr", "lsetxattr", "fsetxattr", "name_to_handle_at", "open_by_handle_at",
	/* the system */
	"mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsmount", "swapon",
	"swapoff", "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module",
	"delete_module", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "keyctl",
	"add_key", "request_key", "quotactl", "acct", "syslog", "settimeofday", "clock_settime",
	"adjtimex", "clock_adjtime", "sethostname", "setdomainname", "iopl", "ioperm",
	/* rights and limits of this one */
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups",
	"setfsuid", "setfsgid", "capset", "setrlimit", "personality", "seccomp",
	/* no connection comes in */
	"listen", "accept", "accept4"};

static int refuse_rules(scmp_filter_ctx ctx, const struct confine_rule *rules, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), rules[i].call, 1,
					   &rules[i].condition);
	return r;
}

/* Internet sockets only, if any; Unix sockets in pairs. */
static int refuse_sockets(scmp_filter_ctx ctx, bool all)
{
	const struct confine_rule rules[] = {
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_LT, AF_INET)},
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_GT, AF_INET6)},
	};

	return all ? seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 0)
		   : refuse_rules(ctx, rules, array_size(rules));
}

/* The filter of a job that uses devices: see sandbox.h. */
static int add_refusals(scmp_filter_ctx ctx, const struct sandbox *s)
{
	const struct confine_rule rules[] = {
		{SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)},
		/* it would inject input into an inherited terminal */
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCLINUX)},
		/* they send signals to an owner */
		{SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_SETOWN)},
		{SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_SETOWN_EX)},
		{SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_SETSIG)},
		{SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_SETLEASE)},
		/* this process only; limits may be read, not set */
		{SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid())},
		{SCMP_SYS(sched_setaffinity), SCMP_A0(SCMP_CMP_NE, 0)},
		{SCMP_SYS(setpriority), SCMP_A0(SCMP_CMP_NE, PRIO_PROCESS)},
		{SCMP_SYS(setpriority), SCMP_A1(SCMP_CMP_NE, 0)},
		{SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_NE, 0)},
	};
	int r = confine_add_calls(ctx, SCMP_ACT_ERRNO(EPERM), refused, array_size(refused));

	if (r == 0)
		r = refuse_rules(ctx, rules, array_size(rules));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), 2,
				     SCMP_A1(SCMP_CMP_EQ, F_SETFL),
				     SCMP_A2(SCMP_CMP_MASKED_EQ, O_ASYNC, O_ASYNC));
	if (r == 0)
		r = refuse_sockets(ctx, s->network == SANDBOX_OFFLINE);
	/* a filter cannot read the arguments of clone3: with ENOSYS glibc falls back to clone */
	return r < 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static const char *const allowed[] = {
	/* bytes */
	"read", "readv", "pread64", "write", "writev", "lseek", "close", "dup", "pipe2", "eventfd2",
	/* metadata of files */
	"fstat", "newfstatat", "stat", "lstat", "statx", "statfs", "fstatfs", "access", "faccessat",
	"faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "fadvise64",
	/* memory */
	"mmap", "munmap", "mprotect", "mremap", "madvise", "brk", "mlock", "munlock", "membarrier",
	/* waiting and time */
	"poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait",
	"epoll_pwait", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres",
	"gettimeofday", "time", "restart_syscall",
	/* the network */
	"connect", "bind", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
	"shutdown", "getsockname", "getpeername", "setsockopt", "getsockopt",
	/* threads and signals */
	"futex", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity", "sched_getparam",
	"sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getpriority",
	"gettid", "getpid", "getppid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"sigaltstack", "exit", "exit_group", "prctl",
	/* information about this process */
	"getrandom", "uname", "sysinfo", "getrlimit", "getrusage", "times", "getuid", "geteuid",
	"getgid", "getegid"};

/* What every job may do with some arguments only. */
static int add_limited(scmp_filter_ctx ctx)
{
	const struct confine_rule rules[] = {
		/* files may be opened only for reading */
		{SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, WRITING, 0)},
		{SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, WRITING, 0)},
		/* threads are allowed, processes are not */
		{SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)},
		/* this process only; limits may be read, not set */
		{SCMP_SYS(sched_setaffinity), SCMP_A0(SCMP_CMP_EQ, 0)},
		{SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0)},
	};
	int r = confine_add_rules(ctx, rules, array_size(rules));

	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setpriority), 2,
				     SCMP_A0(SCMP_CMP_EQ, PRIO_PROCESS), SCMP_A1(SCMP_CMP_EQ, 0));
	/* a filter cannot read the arguments of clone3: with ENOSYS glibc falls back to clone */
	return r < 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* Internet sockets; Unix sockets in pairs only, by which threads wake each other.  Without netlink
 * getaddrinfo assumes that both IPv4 and IPv6 exist. */
static int add_socket_rules(scmp_filter_ctx ctx, bool routes)
{
	const struct confine_rule rules[] = {
		{SCMP_SYS(socketpair), SCMP_A0(SCMP_CMP_EQ, AF_UNIX)},
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET)},
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET6)},
	};
	int r = confine_add_rules(ctx, rules, array_size(rules));

	return r < 0 || !routes ? r
				: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
						   SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
						   SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE));
}

/* Only requests that read: TIOCSTI would inject input into an inherited terminal.  The kernel uses
 * the lower half of the number, so the filter does, too. */
static int add_ioctl_rules(scmp_filter_ctx ctx)
{
	static const unsigned requests[] = {FIONREAD,	 FIONBIO,     TCGETS,	    SIOCGIFINDEX,
					    SIOCGIFNAME, SIOCGIFADDR, SIOCGIFFLAGS, SIOCGIFCONF};
	int r = 0;

	for (size_t i = 0; r == 0 && i < array_size(requests); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, requests[i]));
	return r;
}

/* Files may be made, for appending, cut off, renamed and removed. */
static int add_write_rules(scmp_filter_ctx ctx)
{
	const struct confine_rule rules[] = {
		{SCMP_SYS(openat),
		 SCMP_A2(SCMP_CMP_MASKED_EQ, WRITING | O_APPEND, O_WRONLY | O_CREAT | O_APPEND)},
		{SCMP_SYS(unlinkat), SCMP_A2(SCMP_CMP_EQ, 0)},
	};
	static const char *const calls[] = {"renameat", "ftruncate"};
	int r = confine_add_rules(ctx, rules, array_size(rules));

	return r < 0 ? r : confine_add_calls(ctx, SCMP_ACT_ALLOW, calls, array_size(calls));
}

static int add_rules(scmp_filter_ctx ctx, const struct sandbox *s)
{
	bool sockets = s->network != SANDBOX_OFFLINE, routes = s->network == SANDBOX_DATAGRAMS;
	int r;

	if (s->devices)
		return add_refusals(ctx, s);
	r = confine_add_calls(ctx, SCMP_ACT_ALLOW, allowed, array_size(allowed));
	if (r == 0)
		r = add_limited(ctx);
	if (r == 0 && s->writable_count)
		r = add_write_rules(ctx);
	if (r == 0 && sockets)
		r = add_socket_rules(ctx, routes);
	if (r == 0)
		r = add_ioctl_rules(ctx);
	return r < 0 ? r : confine_add_common(ctx);
}
#endif

/* Loads the seccomp filter (no_new_privs must be set): no socket without a network; for datagrams
 * also one that asks the kernel for addresses and routes.  0 or -Exxx. */
static int limit_calls(const struct sandbox *s)
{
#ifdef AMPS_SANITIZED
	bool lists_refused = true;
#else
	bool lists_refused = s->devices;
#endif
	scmp_filter_ctx ctx = seccomp_init(lists_refused ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!ctx)
		return -ENOMEM;
	r = add_rules(ctx, s);
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
	if (r == 0 && s->writable_count)
		r = limit(RLIMIT_FSIZE, s->file_bytes);
#ifndef AMPS_SANITIZED
	if (r == 0 && !s->devices)
		r = limit(RLIMIT_AS, ((rlim_t)s->memory_mb + JOB_ADDRESS_SPACE_MB) << 20);
#endif
	return r;
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

/* A device, or those in a folder: reading, writing, and what the driver does beside that (a right
 * from version 5 of Landlock on). */
static void allow_device(int rules, const char *path)
{
	static const uint64_t ioctl_device = 1u << 15; /* older headers do not name it */
	struct landlock_path_beneath_attr attr = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE |
								    LANDLOCK_ACCESS_FS_WRITE_FILE};
	struct stat st;

	attr.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (attr.parent_fd < 0)
		return;
	if (fstat(attr.parent_fd, &st) == 0 && S_ISDIR(st.st_mode))
		attr.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
	attr.allowed_access |= ioctl_device;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0) {
		attr.allowed_access &= ~ioctl_device;
		syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
	}
	close(attr.parent_fd);
}

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

static void allow_devices(int rules)
{
	for (size_t i = 0; i < array_size(devices); i++)
		allow_device(rules, devices[i]);
	for (size_t i = 0; i < array_size(driver_files); i++)
		allow_path(rules, driver_files[i], true);
}

static int allow_folder(int rules, const char *path)
{
	static const uint64_t truncate = 1u << 14; /* older headers do not name it */
	_cleanup_(closep) int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct landlock_path_beneath_attr attr = {
		.parent_fd = fd,
		.allowed_access = LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
				  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |
				  truncate,
	};

	if (fd < 0)
		return -errno;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) == 0)
		return 0;
	/* a kernel without this right does not restrict it */
	attr.allowed_access &= ~truncate;
	return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0
		       ? -errno
		       : 0;
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
	if (s->devices)
		allow_devices(rules);
	for (size_t i = 0; i < s->more_count; i++)
		allow_path(rules, s->more[i], true);
	r = allow_ports(rules, s);
	for (size_t i = 0; r == 0 && i < s->writable_count; i++)
		r = allow_folder(rules, s->writable[i]);
	return r < 0 ? r : confine_restrict(rules);
}

int sandbox_enter(const struct sandbox *s)
{
	int r;

	confine_step_back();
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
	return r < 0 ? r : limit_calls(s);
}
