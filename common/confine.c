/* confine.c - see confine.h; capabilities(7), landlock(7), seccomp(2) */
#include "common/confine.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* What a ruleset can handle.  Defined here because the headers of older systems lack the later
 * fields. */
struct ruleset {
	uint64_t files, tcp, scopes;
};
#define ALL_SCOPES    3u /* abstract sockets, signals */
#define RULE_NET_PORT 2

struct net_port_rule {
	uint64_t rights, port;
};

static int drop_bounding_set(void)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return errno == EPERM ? 0 : -errno;
	return 0;
}

int confine_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = drop_bounding_set();
	if (r < 0)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	/* a service manager may refuse capset() to a server that it gave no capability */
	if (syscall(SYS_capget, &head, now) == 0 && memcmp(now, none, sizeof(now)) == 0)
		return 0;
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

void confine_step_back(void)
{
	_cleanup_(closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? write(fd, "500", 3) : 0;

	(void)n; /* without the file, the kernel chooses by size */
}

int confine_ruleset(unsigned tcp)
{
	static const unsigned file_rights[] = {0, 13, 14, 15, 15, 16};
	struct ruleset set = {0};
	size_t bytes = sizeof(set.files);
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int fd;

	if (version < 1)
		return version < 0 ? -errno : -ENOSYS;
	set.files = (1u << file_rights[MIN(version, 5)]) - 1;
	if (version >= 4) {
		set.tcp = tcp;
		bytes = offsetof(struct ruleset, scopes);
	}
	if (version >= 6) {
		set.scopes = ALL_SCOPES;
		bytes = sizeof(set);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &set, bytes, 0);
	return fd < 0 ? -errno : fd;
}

int confine_allow_port(int ruleset, uint16_t port)
{
	struct net_port_rule rule = {.rights = CONFINE_TCP_CONNECT, .port = port};

	return syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) < 0 ? -errno : 0;
}

int confine_allow_reading(int ruleset, int folder)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
						  .parent_fd = folder};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		       ? -errno
		       : 0;
}

int confine_restrict(int ruleset)
{
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

int confine_add_calls(scmp_filter_ctx filter, uint32_t action, const char *const names[],
		      size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);

		if (call != __NR_SCMP_ERROR)
			r = seccomp_rule_add(filter, action, call, 0);
	}
	return r;
}

int confine_add_rules(scmp_filter_ctx filter, const struct confine_rule *rules, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call, 1,
					   &rules[i].condition);
	return r;
}

int confine_add_common(scmp_filter_ctx filter)
{
	const struct confine_rule rules[] = {
		{SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)},
		{SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_DUPFD, 0)},
		{SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_DUPFD_CLOEXEC, 0)},
		{SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_GETFD, 0)},
		{SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_SETFD, 0)},
		{SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_GETFL, 0)},
		{SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_GET_SEALS, 0)},
	};
	int r = confine_add_rules(filter, rules, array_size(rules));

	return r < 0 ? r
		     : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 2,
					SCMP_A1(SCMP_CMP_EQ, F_SETFL, 0),
					SCMP_A2(SCMP_CMP_MASKED_EQ, O_ASYNC, 0));
}
