#include "amps-master/system/account.h"

#include <assert.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "common/log/log.h"
#include "common/text/text.h"

/* 0, -ENOENT, or another -Exxx. */
static int look_up(struct account *a, const char *name)
{
	char names[16384];
	struct passwd entry, *found = NULL;
	int error = getpwnam_r(name, &entry, names, sizeof(names), &found);

	if (!found)
		return error ? -error : -ENOENT;
	if (!text_copy(a->name, sizeof(a->name), entry.pw_name))
		return -ENAMETOOLONG;
	a->uid = entry.pw_uid;
	a->gid = entry.pw_gid;
	return 0;
}

static bool owns_all(const struct account *a, const char *const folders[])
{
	struct stat st;

	for (size_t i = 0; folders[i]; i++) {
		if (stat(folders[i], &st) != 0 || st.st_uid == a->uid)
			continue;
		log_warn("a folder does not belong to the user " ACCOUNT_DEFAULT ", running as "
			 "root path=%s",
			 folders[i]);
		return false;
	}
	return true;
}

int account_find(struct account *a, const char *wanted, const char *const folders[], char *text,
		 size_t text_cap)
{
	int r;

	*a = (struct account){.chosen = wanted != NULL};
	if (geteuid() != 0)
		return 0;
	r = look_up(a, wanted ? wanted : ACCOUNT_DEFAULT);
	if (!wanted && r == -ENOENT)
		return 0;
	if (r < 0) {
		snprintf(text, text_cap, "server.user: %s",
			 r == -ENOENT ? "there is no such user" : strerror(-r));
		return r;
	}
	a->other = a->uid != 0 && (wanted || owns_all(a, folders));
	return 0;
}

int account_give(const struct account *a, int fd)
{
	return a->other && fchown(fd, a->uid, a->gid) != 0 ? -errno : 0;
}

int account_become(const struct account *a)
{
	if (!a->other)
		return 0;
	if (initgroups(a->name, a->gid) != 0 || setresgid(a->gid, a->gid, a->gid) != 0 ||
	    setresuid(a->uid, a->uid, a->uid) != 0)
		return -errno;
#ifdef AMPS_SANITIZED
	/* they look into the process at its end */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
		return -errno;
#endif
	assert(geteuid() == a->uid && getegid() == a->gid);
	/* a way back would be a bug of the kernel: do not continue */
	return setuid(0) == 0 ? -EPERM : 0;
}
