#include "amps-master/system/runtime_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static int format_path(char *dst, size_t cap, const char *folder, const char *name)
{
	int n = snprintf(dst, cap, "%s/%s", folder, name);

	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

int runtime_dir_default(char *dst, size_t cap)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (geteuid() != 0 && xdg && xdg[0] == '/')
		return format_path(dst, cap, xdg, "amps");
	return format_path(dst, cap, "/run", "amps");
}

int state_dir_default(char *dst, size_t cap)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		return format_path(dst, cap, "/var/lib", "amps");
	if (xdg && xdg[0] == '/')
		return format_path(dst, cap, xdg, "amps");
	if (!home || home[0] != '/')
		return -ENOENT;
	return format_path(dst, cap, home, ".local/state/amps");
}

/* Gives a new folder to `owner`, by descriptor: in another user's folder, the path could name
 * another one by now. */
static int give_folder(const char *path, const struct account *owner)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	return st.st_uid == geteuid() ? account_give(owner, fd) : -EPERM;
}

int make_folders(const char *path, unsigned mode, const struct account *owner)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	int r = 0;

	if (len == 0 || len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, mode) == 0)
			r = owner ? give_folder(part, owner) : 0;
		else if (errno != EEXIST)
			r = -errno;
		if (r < 0)
			return r;
		part[i] = path[i];
	}
	return 0;
}

/* In a folder that others may write to (/tmp), another user could have made it first. */
static int check_owner(const char *path, const struct account *owner)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != geteuid() && st.st_uid != 0 &&
	    !(owner && owner->other && st.st_uid == owner->uid))
		return -EPERM;
	return access(path, W_OK | X_OK) == 0 ? 0 : -errno;
}

static bool names_file(const char *path, int fd)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && named.st_dev == ours.st_dev &&
	       named.st_ino == ours.st_ino;
}

/* An exiting predecessor removes the file, so a lock only counts on the file that still has the
 * name.  Returns the locked descriptor or -Exxx. */
static int take_lock(const char *path)
{
	for (int attempt = 0; attempt < 100; attempt++) {
		_cleanup_(closep) int fd =
			open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) != 0)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (names_file(path, fd))
			return TAKE_FD(fd);
	}
	return -EBUSY;
}

static int write_pid(int fd)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) != 0)
		return -errno;
	return pwrite(fd, line, (size_t)n, 0) == n ? 0 : -EIO;
}

int runtime_dir_restore(struct runtime_dir *d, const struct account *owner)
{
	int r = make_folders(d->path, 0755, owner), fd;

	if (r == 0)
		r = check_owner(d->path, owner);
	if (r < 0)
		return r;
	if (d->lock_fd < 0 || !names_file(d->pid_path, d->lock_fd)) {
		fd = take_lock(d->pid_path);
		if (fd < 0)
			return fd;
		close_fd(&d->lock_fd);
		d->lock_fd = fd;
	}
	if (unlink(d->control_path) != 0 && errno != ENOENT)
		return -errno;
	r = owner ? account_give(owner, d->lock_fd) : 0;
	return r < 0 ? r : write_pid(d->lock_fd);
}

static int open_folder(struct runtime_dir *d, const char *path, const struct account *owner)
{
	int r;

	d->lock_fd = -1;
	if (strlen(path) >= sizeof(d->path))
		return -ENAMETOOLONG;
	memcpy(d->path, path, strlen(path) + 1);
	r = format_path(d->control_path, sizeof(d->control_path), path, "control.sock");
	if (r == 0)
		r = format_path(d->pid_path, sizeof(d->pid_path), path, "pid");
	return r < 0 ? r : runtime_dir_restore(d, owner);
}

int runtime_dir_open(struct runtime_dir *d, const char *path, const struct account *owner,
		     char *text, size_t text_cap)
{
	int r = open_folder(d, path, owner);

	if (r == -EBUSY)
		snprintf(text, text_cap, "another server is already running in %s", path);
	else if (r < 0)
		snprintf(text, text_cap,
			 "cannot use the runtime folder %s: %s (--runtime-dir names another)", path,
			 strerror(-r));
	if (r < 0)
		close_fd(&d->lock_fd);
	return r;
}

void runtime_dir_close(struct runtime_dir *d)
{
	if (d->lock_fd < 0)
		return;
	if (names_file(d->pid_path, d->lock_fd)) {
		unlink(d->control_path);
		unlink(d->pid_path);
	}
	close_fd(&d->lock_fd);
}
