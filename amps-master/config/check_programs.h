/* check_programs.h - looks for the programs that custom_ffmpeg runs. */
#ifndef AMPS_CHECK_PROGRAMS_H
#define AMPS_CHECK_PROGRAMS_H

#include <jansson.h>
#include "amps-master/config/config_marks.h"
#include "amps-master/config/problems.h"

/* Warns of each command of a checked tree whose program does not exist.  A shell's text and a
 * program that a placeholder names are not checked.  Reads the file system. */
void check_programs(const json_t *tree, const char *file, const struct marks *marks,
		    struct problems *problems);

#endif
