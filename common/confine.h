/* confine.h - what the sandboxes of workers and of jobs have in common: no capabilities, no file
 * rights, no system calls that reach other processes.  Each sandbox adds its own rules. */
#ifndef AMPS_CONFINE_H
#define AMPS_CONFINE_H

#include <seccomp.h>
#include "common/base.h"

/* The TCP rights that a Landlock ruleset can handle; older headers do not name them. */
#define CONFINE_TCP_BIND    1u
#define CONFINE_TCP_CONNECT 2u

/* Sets no_new_privs and empties the effective, permitted, inheritable, ambient and bounding sets.
 * Without CAP_SETPCAP the bounding set stays; no_new_privs makes that harmless.  0 or -Exxx. */
must_check int confine_capabilities(void);

/* Makes this process, and those it starts, the first choice of the OOM killer. */
void confine_step_back(void);

/* A Landlock ruleset that takes away every file right of the kernel's version, the TCP rights in
 * `tcp` from version 4 on, and abstract sockets of and signals to other processes from version 6
 * on.  A descriptor, -ENOSYS or -EOPNOTSUPP (the kernel has no Landlock), or another -Exxx. */
must_check int confine_ruleset(unsigned tcp);

/* Allows TCP connections to this port.  0 or -Exxx. */
must_check int confine_allow_port(int ruleset, uint16_t port);

/* Allows reading the files below this folder.  0 or -Exxx. */
must_check int confine_allow_reading(int ruleset, int folder);

/* Puts the ruleset in force; it stays the caller's.  0 or -Exxx. */
must_check int confine_restrict(int ruleset);

/* A system call that is allowed if one argument meets a condition (SCMP_A0() and the like). */
struct confine_rule {
	int call; /* SCMP_SYS() */
	struct scmp_arg_cmp condition;
};

/* Adds rules to a seccomp filter: one action for calls given by name (names that this system does
 * not know are skipped), or calls to allow.  0 or -Exxx. */
must_check int confine_add_calls(scmp_filter_ctx filter, uint32_t action, const char *const names[],
				 size_t count);
must_check int confine_add_rules(scmp_filter_ctx filter, const struct confine_rule *rules,
				 size_t count);

/* Adds the rules that every allow-list has, for calls that are harmless with some arguments only:
 * fcntl without owners, signals and locks (F_SETOWN with F_SETSIG sends any signal to any process
 * of the same user), tgkill of this process alone.  0 or -Exxx. */
must_check int confine_add_common(scmp_filter_ctx filter);

#endif
