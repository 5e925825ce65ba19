/* test_media_root.c - the folder of segments: who may use it, what is removed. */
#include "unit.h"
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "amps-master/system/media_root.h"
#include "skip.h"

static const struct account self = {0};

static const char *folder_make(void)
{
	static char path[64];

	strcpy(path, "/tmp/amps-media-XXXXXX");
	return mkdtemp(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void folder_remove(const char *path)
{
	cr_assert_eq(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void touch(const char *folder, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	cr_assert_geq(fd, 0, "%s", path);
	close(fd);
}

static void make(const char *folder, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	cr_assert_eq(mkdir(path, 0700), 0, "%s", path);
}

static bool exists(const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return lstat(path, &st) == 0;
}

Test(media_root, a_start_removes_segments_and_nothing_else)
{
	struct media_root m = MEDIA_ROOT_INIT;
	const char *folder = folder_make();
	char text[512] = "", outside[PATH_MAX], path[PATH_MAX];

	make(folder, "out");
	touch(folder, "out/1.ts");
	make(folder, "5");
	make(folder, "5/0");
	touch(folder, "5/0/241000000.ts");
	touch(folder, "5/0/v241000000.m4s");
	touch(folder, "5/0/a241000000.m4s");
	touch(folder, "5/0/v241000001.tmp");
	touch(folder, "5/0/b241000000.m4s");
	touch(folder, "5/0/h241000001.tmp");
	touch(folder, "5/0/a240999999.mp4");
	make(folder, "6");
	make(folder, "6/0");
	touch(folder, "6/0/film.ts");
	touch(folder, "6/0/v7.ts");
	touch(folder, "6/0/7.m4s");
	touch(folder, "notes");
	snprintf(outside, sizeof(outside), "%s/out", folder);
	snprintf(path, sizeof(path), "%s/7", folder);
	cr_assert_eq(symlink(outside, path), 0);
	cr_assert_eq(media_root_choose(&m, folder, "/x", 1, &self, text, sizeof(text)), 0);
	cr_assert_eq(media_root_open(&m, text, sizeof(text)), 0, "%s", text);
	cr_expect_not(exists(folder, "5"));
	cr_expect(exists(folder, "6/0/film.ts"));
	cr_expect(exists(folder, "6/0/v7.ts"));
	cr_expect(exists(folder, "6/0/7.m4s"));
	cr_expect(exists(folder, "notes"));
	cr_expect(exists(folder, "out/1.ts"), "a link was followed");
	media_root_close(&m);
	cr_expect(exists(folder, "notes"));
	folder_remove(folder);
}

Test(media_root, a_second_server_is_refused)
{
	struct media_root first = MEDIA_ROOT_INIT, second = MEDIA_ROOT_INIT;
	const char *folder = folder_make();
	char text[512] = "";

	cr_assert_eq(media_root_choose(&first, folder, "/x", 1, &self, text, sizeof(text)), 0);
	cr_assert_eq(media_root_open(&first, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(media_root_choose(&second, folder, "/x", 1, &self, text, sizeof(text)), 0);
	cr_expect_eq(media_root_open(&second, text, sizeof(text)), -EBUSY);
	cr_expect(strstr(text, "belongs to another running server"), "%s", text);
	media_root_close(&first);
	cr_assert_eq(media_root_open(&second, text, sizeof(text)), 0, "%s", text);
	media_root_close(&second);
	folder_remove(folder);
}

Test(media_root, a_folder_that_is_missing_or_a_file_is_an_error)
{
	struct media_root m = MEDIA_ROOT_INIT;
	const char *folder = folder_make();
	char text[512] = "", path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/none", folder);
	cr_assert_eq(media_root_choose(&m, path, "/x", 1, &self, text, sizeof(text)), 0);
	cr_expect_eq(media_root_open(&m, text, sizeof(text)), -ENOENT);
	cr_expect(strstr(text, "/none cannot be opened: No such file"), "%s", text);
	touch(folder, "none");
	cr_expect_eq(media_root_open(&m, text, sizeof(text)), -ENOTDIR);
	media_root_close(&m);
	folder_remove(folder);
}

Test(media_root, tracks_are_made_and_removed)
{
	struct media_root m = MEDIA_ROOT_INIT;
	const char *folder = folder_make();
	char text[512] = "";

	cr_assert_eq(media_root_choose(&m, folder, "/x", 8, &self, text, sizeof(text)), 0);
	cr_assert_eq(media_root_open(&m, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(media_root_make_track(&m, 5, 0), 0);
	cr_assert_eq(media_root_make_track(&m, 5, 2), 0);
	cr_assert_eq(media_root_make_track(&m, 5, 2), 0);
	touch(folder, "5/2/9.ts");
	media_root_remove_track(&m, 5, 2);
	cr_expect_not(exists(folder, "5/2"));
	cr_expect(exists(folder, "5/0"));
	media_root_remove_track(&m, 5, 0);
	cr_expect_not(exists(folder, "5"));
	cr_expect_leq(media_root_room(&m, 0), 8u << 20);
	cr_expect_gt(media_root_room(&m, 0), 0);
	media_root_close(&m);
	folder_remove(folder);
}

/* Puts a file system of 1 MiB there, which only this process sees.  False: it has no right to. */
static bool mount_small(const char *folder)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", folder, "tmpfs", 0, "size=1m") == 0;
}

Test(media_root, its_limit_is_most_of_a_small_file_system)
{
	static const char page[4096];
	const uint64_t all = 1u << 20;
	struct media_root m = MEDIA_ROOT_INIT;
	const char *folder = folder_make();
	char text[512] = "", path[PATH_MAX];
	int fd;

	if (!mount_small(folder)) {
		folder_remove(folder);
		skip_kernel("a file system cannot be mounted");
	}
	cr_assert_eq(media_root_choose(&m, folder, "/x", 64, &self, text, sizeof(text)), 0);
	cr_assert_eq(media_root_open(&m, text, sizeof(text)), 0, "%s", text);
	cr_expect_eq(media_root_room(&m, 0), all / 5 * 4);
	/* files of others take room away; our own count as room, because they may be replaced */
	snprintf(path, sizeof(path), "%s/file", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (size_t i = 0; i < 128; i++)
		cr_assert_eq(write(fd, page, sizeof(page)), (ssize_t)sizeof(page));
	close(fd);
	cr_expect_eq(media_root_room(&m, 0), all / 2 / 5 * 4);
	cr_expect_eq(media_root_room(&m, all / 2), all / 5 * 4);
	media_root_close(&m);
	cr_assert_eq(umount(folder), 0);
	folder_remove(folder);
}
