/* sandbox.c - see sandbox.h */
#include "amps-transcoder/sandbox.h"

#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "amps-transcoder/sandbox_calls.h"
#include "common/log.h"

#define MEMORY_MB_DEFAULT 4096
#define FILES_MAX	  256

static int set_limits(const struct sandbox *s)
{
	static const struct rlimit none = {0, 0}, files = {FILES_MAX, FILES_MAX};

	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
#ifndef AMPS_SANITIZED
	rlim_t bytes = (rlim_t)(s->memory_mb ? s->memory_mb : MEMORY_MB_DEFAULT) << 20;

	if (setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes}) < 0)
		return -errno;
#else
	(void)s;
#endif
	return 0;
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

/* A ruleset as the kernel's sixth version has it, in words of our own: older headers end sooner. */
struct ruleset {
	uint64_t files, network, scoped;
};
#define SCOPED_ABI 6
#define SCOPED	   3 /* abstract sockets, signals: none to what lives outside */

static int new_ruleset(void)
{
	struct ruleset set = {.files = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1, .scoped = SCOPED};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return (int)syscall(SYS_landlock_create_ruleset, &set,
			    abi >= SCOPED_ABI ? sizeof(set) : sizeof(set.files), 0);
}

/* Every file right of the first version of Landlock is taken away but reading below these paths. */
static int limit_files(const struct sandbox *s)
{
	int rules = new_ruleset();
	int r;

	if (rules < 0) {
		log_debug("this kernel has no Landlock (%s), going on without", strerror(errno));
		return 0;
	}
	for (size_t i = 0; i < array_size(readable); i++)
		allow_path(rules, readable[i], true);
	allow_source(rules, s);
	for (size_t i = 0; i < s->more_count; i++)
		allow_path(rules, s->more[i], false);
	r = syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? -errno : 0;
	close(rules);
	return r;
}

int sandbox_enter(const struct sandbox *s)
{
	int r;

	step_back(s);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
#ifndef AMPS_SANITIZED
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
#endif
	r = set_limits(s);
	if (r == 0)
		r = limit_files(s);
	return r < 0 ? r : sandbox_limit_calls();
}
