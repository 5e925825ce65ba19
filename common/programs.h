/* programs.h - where our own programs lie. */
#ifndef AMPS_PROGRAMS_H
#define AMPS_PROGRAMS_H

#include "common/base.h"

/* The path of one of our programs: beside this executable, else in ../libexec/amps.  0, -ENOENT, or
 * another -Exxx when this executable's own path cannot be told. */
must_check int programs_find(const char *name, char *dst, size_t cap);

#endif
