/* state_folder.h - an empty folder for a test's database, removed with what the store puts in it.
 */
#ifndef AMPS_TEST_STATE_FOLDER_H
#define AMPS_TEST_STATE_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "unit.h"

struct state_folder {
	char path[64];
	char state[80]; /* does not exist yet */
};

static inline void state_folder_make(struct state_folder *f)
{
	strcpy(f->path, "/tmp/amps-test-XXXXXX");
	cr_assert_not_null(mkdtemp(f->path));
	snprintf(f->state, sizeof(f->state), "%s/a/state", f->path);
}

static inline void state_folder_file(const struct state_folder *f, const char *name, char dst[128])
{
	snprintf(dst, 128, "%s/%s", f->state, name);
}

static inline void state_folder_remove(const struct state_folder *f)
{
	static const char *const names[] = {"amps.db", "amps.db-wal", "amps.db-shm", "token"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		state_folder_file(f, names[i], path);
		unlink(path);
	}
	rmdir(f->state);
	snprintf(path, sizeof(path), "%s/a", f->path);
	rmdir(path);
	cr_expect_eq(rmdir(f->path), 0, "something unknown was left in %s", f->path);
}

#endif
