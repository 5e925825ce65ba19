/* test_segment_files.c - what a job that was killed leaves in its folder, and its successor finds.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "amps-transcoder/segment/files.h"

#define LISTED 100u /* bytes of the parts that the index has */

static char folder[64];

static struct segment_files open_files(uint32_t first, uint32_t end)
{
	struct segment_files f = SEGMENT_FILES_INIT;

	f.prefix = "v";
	f.extension = "m4s";
	f.growing = "tmp";
	cr_assert_eq(segment_files_open(&f, folder, first, end, 0), 0);
	return f;
}

/* -1: there is none. */
static long size_of(const char *name)
{
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static void put(const char *name, size_t n)
{
	char path[96], bytes[300] = {0};
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "wb");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static void setup(void)
{
	strcpy(folder, "/tmp/amps-files-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(segment_files, .init = setup, .fini = teardown);

Test(segment_files, bytes_that_were_not_listed_are_cut_off)
{
	/* killed with a part in the file, or before one was listed; between the name and the list;
	 * the disk has lost something */
	static const struct {
		const char *left;
		size_t bytes;
		long kept;
	} cases[] = {{"v7.tmp", LISTED, LISTED},      {"v7.tmp", LISTED + 50, LISTED},
		     {"v7.m4s", LISTED + 50, LISTED}, {"v7.m4s", LISTED, LISTED},
		     {"v7.tmp", LISTED - 1, -1},      {"v7.m4s", LISTED - 1, -1}};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct segment_files f;

		put(cases[i].left, cases[i].bytes);
		/* what had begun behind it is not listed at all */
		put("v8.tmp", 10);
		f = open_files(7, 8);
		segment_files_finish(&f, 7, LISTED);
		cr_expect_eq(size_of("v7.m4s"), cases[i].kept, "%zu: %ld", i, size_of("v7.m4s"));
		cr_expect_eq(size_of("v7.tmp"), -1, "%zu", i);
		cr_expect_eq(size_of("v8.tmp"), -1, "%zu", i);
		unlinkat(f.folder, "v7.m4s", 0);
		segment_files_close(&f, false);
	}
}

Test(segment_files, a_link_in_the_place_of_a_segment_is_not_followed)
{
	struct segment_files f;
	char link[96];

	put("target", LISTED + 50);
	snprintf(link, sizeof(link), "%s/v7.tmp", folder);
	cr_assert_eq(symlink("target", link), 0);
	f = open_files(7, 8);
	segment_files_finish(&f, 7, LISTED);
	cr_expect_eq(size_of("target"), LISTED + 50);
	cr_expect_eq(size_of("v7.m4s"), -1);
	segment_files_close(&f, false);
}

/* The files of each sound are those of its letter. */
Test(segment_files, other_tracks_of_the_folder_keep_theirs)
{
	static const char *const others[] = {"a7.m4s", "b7.m4s", "h7.m4s", "7.ts", "a7.mp4"};
	struct segment_files f = SEGMENT_FILES_INIT, ts = SEGMENT_FILES_INIT;

	for (size_t i = 0; i < array_size(others); i++)
		put(others[i], 1);
	f = open_files(0, 0);
	segment_files_close(&f, false);
	for (size_t i = 0; i < array_size(others); i++)
		cr_expect_eq(size_of(others[i]), 1, "%s", others[i]);
	ts.prefix = "";
	ts.extension = ts.growing = "ts";
	cr_assert_eq(segment_files_open(&ts, folder, 0, 0, 0), 0);
	segment_files_close(&ts, false);
	cr_expect_eq(size_of("7.ts"), -1);
	cr_expect_eq(size_of("h7.m4s"), 1);
	f = SEGMENT_FILES_INIT;
	f.prefix = "b";
	f.extension = "m4s";
	f.growing = "tmp";
	cr_assert_eq(segment_files_open(&f, folder, 0, 0, 0), 0);
	segment_files_close(&f, false);
	cr_expect_eq(size_of("b7.m4s"), -1);
	cr_expect_eq(size_of("a7.m4s"), 1);
}
