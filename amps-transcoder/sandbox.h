/* sandbox.h - a job gives up its rights before it opens its source.
 *
 * no_new_privs, not dumpable, resource limits, Landlock (read-only paths) where the kernel has it,
 * a seccomp allow-list: no exec, no fork, no file opened for writing, no ptrace.  Sanitizer builds
 * keep what the sanitizers need. */
#ifndef AMPS_SANDBOX_H
#define AMPS_SANDBOX_H

#include "common/base.h"

struct sandbox {
	const char *file;    /* the source, if it is a local file; NULL otherwise */
	bool file_folder;    /* its whole folder may be read (a local playlist) */
	const char *more[4]; /* further files that may be read: certificates, keys */
	size_t more_count;
	unsigned memory_mb; /* RLIMIT_AS; 0 = generous */
	int nice;
};

/* 0, or -Exxx when a right could not be given up that always can be.  A kernel without Landlock is
 * logged, not refused. */
must_check int sandbox_enter(const struct sandbox *s);

#endif
