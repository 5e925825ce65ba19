#include "amps-master/system/media_root.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "amps-master/system/runtime_dir.h"
#include "common/shm/segment.h"
#include "common/text/text.h"

#define SHARED_MEMORY "/dev/shm"
#define DIR_MODE      0700
#define OPEN_DIR      (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int explain(const char *what, const struct media_root *m, int error, char *text, size_t cap)
{
	snprintf(text, cap, "media_root %.300s %s: %s", m->path, what, strerror(-error));
	return error;
}

/* Is /dev/shm there, and as large as the segments may become? */
static bool memory_holds(uint64_t bytes)
{
	struct statvfs fs;

	return statvfs(SHARED_MEMORY, &fs) == 0 && (uint64_t)fs.f_blocks * fs.f_frsize >= bytes &&
	       !(fs.f_flag & ST_RDONLY);
}

/* A folder in /dev/shm, where every user may make one of that name: only a private one counts. */
static int make_in_memory(struct media_root *m, const char *state_dir, const struct account *owner)
{
	uid_t uid = owner->other ? owner->uid : geteuid();
	_cleanup_(closep) int fd = -1;
	struct stat st;
	bool made;

	/* named after the state folder, which is the server's own */
	snprintf(m->path, sizeof(m->path), SHARED_MEMORY "/amps%s", state_dir);
	for (char *c = m->path + strlen(SHARED_MEMORY "/"); *c; c++)
		*c = *c == '/' ? '-' : *c;
	made = mkdir(m->path, DIR_MODE) == 0;
	if (!made && errno != EEXIST)
		return -errno;
	fd = open(m->path, OPEN_DIR);
	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	if (made)
		return account_give(owner, fd);
	return st.st_uid == uid && (st.st_mode & 0777) == DIR_MODE ? 0 : -EPERM;
}

void media_root_set_limit(struct media_root *m, uint64_t limit_mb)
{
	m->limit = limit_mb << 20;
}

int media_root_choose(struct media_root *m, const char *configured, const char *state_dir,
		      uint64_t limit_mb, const struct account *owner, char *text, size_t text_cap)
{
	int r;

	media_root_set_limit(m, limit_mb);
	if (configured) {
		r = text_copy(m->path, sizeof(m->path), configured) ? 0 : -ENAMETOOLONG;
		return r < 0 ? explain("cannot be used", m, r, text, text_cap) : 0;
	}
	m->own = true;
	if (memory_holds(m->limit) && make_in_memory(m, state_dir, owner) == 0)
		return 0;
	if ((size_t)snprintf(m->path, sizeof(m->path), "%s/media", state_dir) >= sizeof(m->path))
		return explain("cannot be made", m, -ENAMETOOLONG, text, text_cap);
	r = make_folders(m->path, DIR_MODE, owner);
	return r < 0 ? explain("cannot be made", m, r, text, text_cap) : 0;
}

static bool is_number(const char *name, const char *ending)
{
	size_t digits = strspn(name, "0123456789");

	return digits > 0 && strcmp(name + digits, ending) == 0;
}

/* Calls `each` with every name in the folder, which is closed. */
static void walk(int fd, void (*each)(int fd, const char *name))
{
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!folder) {
		close_fd(&fd);
		return;
	}
	while ((e = readdir(folder)))
		each(fd, e->d_name);
	closedir(folder);
}

/* "7.ts", or of CMAF "v7.m4s", "a7.mp4" and, while it grows, "v7.tmp". */
static bool is_segment(const char *name)
{
	if (!segment_letter_ok(*name))
		return is_number(name, ".ts");
	name++;
	return is_number(name, ".m4s") || is_number(name, ".mp4") || is_number(name, ".tmp");
}

static void remove_segment(int fd, const char *name)
{
	if (is_segment(name))
		unlinkat(fd, name, 0);
}

static void remove_track(int fd, const char *name)
{
	if (!is_number(name, ""))
		return;
	walk(openat(fd, name, OPEN_DIR), remove_segment);
	unlinkat(fd, name, AT_REMOVEDIR);
}

static void remove_channel(int fd, const char *name)
{
	if (!is_number(name, ""))
		return;
	walk(openat(fd, name, OPEN_DIR), remove_track);
	unlinkat(fd, name, AT_REMOVEDIR);
}

/* Removes what servers made.  What else is in the folder stays. */
static void remove_segments(const struct media_root *m)
{
	walk(openat(m->fd, ".", OPEN_DIR), remove_channel);
}

/* 0, or -Exxx with what is wrong. */
static int judge(const struct media_root *m, const char **ret_what)
{
	struct statvfs fs;

	*ret_what = "cannot be opened";
	if (m->fd < 0)
		return -errno;
	*ret_what = "cannot be written";
	if (fstatvfs(m->fd, &fs) != 0)
		return -errno;
	if (fs.f_flag & ST_RDONLY)
		return -EROFS;
	if (faccessat(m->fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0)
		return -errno;
	*ret_what = "cannot be locked";
	if (flock(m->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return -errno;
	*ret_what = "belongs to another running server";
	return -EBUSY;
}

int media_root_open(struct media_root *m, char *text, size_t text_cap)
{
	const char *what;
	int r;

	m->fd = open(m->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* a descriptor of its own: workers share the other one */
	m->lock_fd = m->fd < 0 ? -1 : openat(m->fd, ".", OPEN_DIR);
	r = judge(m, &what);
	if (r < 0) {
		close_fd(&m->fd);
		close_fd(&m->lock_fd);
		return explain(what, m, r, text, text_cap);
	}
	remove_segments(m);
	return 0;
}

static int make_folder(int fd, uint32_t number)
{
	char name[16];
	int made;

	snprintf(name, sizeof(name), "%u", number);
	if (mkdirat(fd, name, DIR_MODE) != 0 && errno != EEXIST)
		return -errno;
	made = openat(fd, name, OPEN_DIR);
	return made < 0 ? -errno : made;
}

int media_root_make_track(const struct media_root *m, uint32_t channel, uint32_t track)
{
	_cleanup_(closep) int above = make_folder(m->fd, channel);
	_cleanup_(closep) int fd = above < 0 ? above : make_folder(above, track);

	return MIN(fd, 0);
}

void media_root_remove_track(const struct media_root *m, uint32_t channel, uint32_t track)
{
	_cleanup_(closep) int fd = -1;
	char name[16];

	snprintf(name, sizeof(name), "%u", channel);
	fd = openat(m->fd, name, OPEN_DIR);
	if (fd < 0)
		return;
	snprintf(name, sizeof(name), "%u", track);
	remove_track(fd, name);
	snprintf(name, sizeof(name), "%u", channel);
	unlinkat(m->fd, name, AT_REMOVEDIR);
}

uint64_t media_root_room(const struct media_root *m, uint64_t used)
{
	struct statvfs fs;
	uint64_t ours;

	assert(m->fd >= 0);
	if (fstatvfs(m->fd, &fs) != 0)
		return m->limit;
	ours = (uint64_t)fs.f_bavail * fs.f_frsize + used;
	return MIN(m->limit, ours / 5 * 4);
}

void media_root_close(struct media_root *m)
{
	if (m->fd >= 0)
		remove_segments(m);
	if (m->fd >= 0 && m->own)
		rmdir(m->path);
	close_fd(&m->fd);
	close_fd(&m->lock_fd);
}
