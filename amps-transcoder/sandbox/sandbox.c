/* sandbox.c - see sandbox.h */
#include "amps-transcoder/sandbox/sandbox.h"

#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "amps-transcoder/sandbox/calls.h"
#include "common/confine.h"
#include "common/limits.h"
#include "common/log/log.h"

#define NAME_SERVER_PORT 53

/* Lowers a limit; one that is lower already stays. */
static int limit(int resource, rlim_t wanted)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		return -errno;
	wanted = MIN(wanted, now.rlim_max);
	return setrlimit(resource, &(struct rlimit){wanted, wanted}) < 0 ? -errno : 0;
}

/* The master watches how much memory a job uses.  The limit of the address space, which counts far
 * more than that, stops what grows faster than the master looks. */
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

/* A job is what the kernel should end first, and what may wait. */
static void step_back(const struct sandbox *s)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "500", 3) < 0)
		log_debug("oom_score_adj could not be set");
	close_fd(&fd);
	if (s->nice && setpriority(PRIO_PROCESS, 0, s->nice) < 0)
		log_warn("the niceness cannot be set, going on without nice=%d", s->nice);
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
		/* a right for folders is refused on a file */
		attr.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
		if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0)
			log_debug("there is no Landlock rule for a path (%s) path=%s",
				  strerror(errno), path);
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
	/* the folder `/` has everything below it: then only the file itself */
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
	/* before version 4 no rule for a port can be added, and none is needed */
	return r == -EINVAL ? 0 : r;
}

/* Every file right is taken away but reading below these paths; of TCP what the source needs not.
 */
static int limit_reach(const struct sandbox *s)
{
	bool any = s->network == SANDBOX_ANY;
	_cleanup_(closep) int rules =
		confine_ruleset(CONFINE_TCP_BIND | (any ? 0 : CONFINE_TCP_CONNECT));
	int r;

	if (rules == -ENOSYS || rules == -EOPNOTSUPP) {
		log_debug("this kernel has no Landlock, going on without");
		return 0;
	}
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

	step_back(s);
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
		     : sandbox_limit_calls(s->network != SANDBOX_OFFLINE,
					   s->network == SANDBOX_DATAGRAMS);
}
