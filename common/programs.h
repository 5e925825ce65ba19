/* programs.h - where the programs of Amps, and those of the system, are installed. */
#ifndef AMPS_PROGRAMS_H
#define AMPS_PROGRAMS_H

#include "common/base.h"

/* The path of a program of Amps: beside this executable, else in ../libexec/amps, else, as seen
 * from there, in ../../bin.  0, -ENOENT, or another -Exxx when the path of this executable is
 * unknown. */
must_check int programs_find(const char *name, char *dst, size_t cap);

/* The path of a program in one of these folders, separated by colons; NULL: in the usual ones.  An
 * empty entry is the current folder.  0 or -ENOENT. */
must_check int programs_in(const char *path, const char *name, char *dst, size_t cap);

/* The path of a program of the system: `name` itself if it has a slash, else found on PATH.  0 or
 * -ENOENT. */
must_check int programs_on_path(const char *name, char *dst, size_t cap);

#endif
