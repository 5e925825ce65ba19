/* runtime_dir.h - the folder of a running server: its lock, its control socket, its pid.
 *
 * The file "pid" is also the lock: flock(2) holds it for the master's life, so a file that is left
 * behind locks nothing.  What a killed master left is removed by the next one. */
#ifndef AMPS_RUNTIME_DIR_H
#define AMPS_RUNTIME_DIR_H

#include <limits.h>
#include "amps-master/system/account.h"

struct runtime_dir {
	char path[PATH_MAX];
	char control_path[PATH_MAX]; /* control.sock */
	char pid_path[PATH_MAX];
	int lock_fd;
};

/* The default folders (SPEC: /run/amps and /var/lib/amps for root, else XDG's).  0 or -ENAMETOOLONG
 * or -ENOENT (a user without a home). */
must_check int runtime_dir_default(char *dst, size_t cap);
must_check int state_dir_default(char *dst, size_t cap);

/* Makes a folder and those above it; new ones have this mode and belong to `owner` (NULL: to us). 0
 * or -Exxx. */
must_check int make_folders(const char *path, unsigned mode, const struct account *owner);

/* Makes the folder, takes the lock, removes a stale socket, writes the pid.  What is new belongs to
 * `owner` (NULL: to us).  0 or -Exxx with the reason in `text` (-EBUSY: another master owns it). */
must_check int runtime_dir_open(struct runtime_dir *d, const char *path,
				const struct account *owner, char *text, size_t text_cap);

/* The same for an open one whose folder or files were removed; the lock is kept or taken again.  0,
 * or -Exxx (-EBUSY: another master has taken the folder) and the caller may try again. */
must_check int runtime_dir_restore(struct runtime_dir *d, const struct account *owner);

/* Removes socket and pid file, if they are still this master's, and lets the lock go. */
void runtime_dir_close(struct runtime_dir *d);

#endif
