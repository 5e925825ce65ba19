/* programs.h - where the programs of Amps are installed. */
#ifndef AMPS_PROGRAMS_H
#define AMPS_PROGRAMS_H

#include "common/base.h"

/* The path of a program of Amps: beside this executable, else in ../libexec/amps.  0, -ENOENT, or
 * another -Exxx when the path of this executable is unknown. */
must_check int programs_find(const char *name, char *dst, size_t cap);

#endif
